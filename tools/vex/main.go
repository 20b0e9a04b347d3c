// Vex makes one OpenVEX statement for a release out of what govulncheck says of
// each of its binaries. Govulncheck knows neither what the product is called nor
// what its users can do, and leaves out what OpenVEX demands of a statement.
//
//	vex PRODUCT FILE... >STATEMENT
//
// PRODUCT is a package URL, each FILE the output of govulncheck -format openvex.
// Where there is nothing to state, nothing is printed: a document without a
// statement is not one.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/openvex/go-vex/pkg/vex"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "vex: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want a product and the files of govulncheck")
	}
	var found []vex.Statement
	for _, file := range args[1:] {
		document, err := vex.Open(file)
		if err != nil {
			return err
		}
		found = append(found, document.Statements...)
	}
	if len(found) == 0 {
		return nil
	}

	document := vex.New()
	document.Author, document.AuthorRole = "stepdown maintainers", "vendor"
	document.Tooling = "https://pkg.go.dev/golang.org/x/vuln/cmd/govulncheck"
	for _, s := range worst(found) {
		if err := complete(&s, args[0]); err != nil {
			return fmt.Errorf("%s: %w", s.Vulnerability.Name, err)
		}
		document.Statements = append(document.Statements, s)
	}
	if _, err := document.GenerateCanonicalID(); err != nil {
		return err
	}
	return document.ToJSON(os.Stdout)
}

// worst keeps one statement for each vulnerability: of what is said of several
// binaries of one release, the worst.
func worst(statements []vex.Statement) []vex.Statement {
	kept := slices.Clone(statements)
	slices.SortStableFunc(kept, func(a, b vex.Statement) int {
		return cmp.Or(
			cmp.Compare(a.Vulnerability.Name, b.Vulnerability.Name),
			cmp.Compare(severity(b), severity(a)),
		)
	})
	return slices.CompactFunc(kept, func(a, b vex.Statement) bool {
		return a.Vulnerability.Name == b.Vulnerability.Name
	})
}

// severity orders what may be said of a binary. A vulnerable package that is in it,
// though without the vulnerable function, is worse than none.
func severity(s vex.Statement) int {
	switch {
	case s.Status == vex.StatusNotAffected && s.Justification == vex.VulnerableCodeNotPresent:
		return 0
	case s.Status == vex.StatusNotAffected:
		return 1
	default:
		return 2
	}
}

// complete gives a statement what it lacks.
func complete(s *vex.Statement, product string) error {
	var parts []vex.Subcomponent
	for _, p := range s.Products {
		for _, c := range p.Subcomponents {
			for _, purl := range spellings(c.ID) {
				parts = append(parts, vex.Subcomponent{Component: vex.Component{ID: purl}})
			}
		}
	}
	s.Products = []vex.Product{{Component: vex.Component{ID: product}, Subcomponents: parts}}
	if s.Status == vex.StatusAffected {
		s.ActionStatement = "Update to the newest release, which is made anew when an advisory applies: see SECURITY.md."
	}
	return s.Validate()
}

// spellings returns the package URLs that scanners have for a part that
// govulncheck names. It escapes the slashes of a module's path, which nobody else
// does, and of the standard library some have the version with a v and some not.
func spellings(purl string) []string {
	if plain, err := url.PathUnescape(purl); err == nil {
		purl = plain
	}
	if version, ok := strings.CutPrefix(purl, "pkg:golang/stdlib@v"); ok {
		return []string{purl, "pkg:golang/stdlib@" + version}
	}
	return []string{purl}
}
