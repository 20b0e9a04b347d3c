package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/openvex/go-vex/pkg/vex"
)

// A database of our own has four entries: three for the old golang.org/x/text that
// the program in testdata/vex/program was written for, one for golang.org/x/sys as
// stepdown has it. What is stated of each program has to be what its code does.
func TestStatement(t *testing.T) {
	const (
		text   = "pkg:golang/golang.org/x/text@v0.3.0"
		system = "pkg:golang/golang.org/x/sys@v0.49.0"
	)
	type want struct {
		advisory, part string
		status         vex.Status
		justification  vex.Justification
	}
	tests := []struct {
		name, source string
		want         []want
	}{
		{"an old dependency", "../../testdata/vex/program", []want{
			{"GO-0000-0001", text, vex.StatusAffected, ""},
			{"GO-0000-0002", text, vex.StatusNotAffected, vex.VulnerableCodeNotInExecutePath},
			{"GO-0000-0003", text, vex.StatusNotAffected, vex.VulnerableCodeNotPresent},
		}},
		{"stepdown", "../..", []want{
			{"GO-0000-0004", system, vex.StatusNotAffected, vex.VulnerableCodeNotInExecutePath},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			document := state(t, tt.source, "pkg:golang/product@v1.2.3")
			if got, want := len(document.Statements), len(tt.want); got != want {
				t.Errorf("%d statements, want %d: %+v", got, want, document.Statements)
			}
			for _, w := range tt.want {
				// As a scanner asks, which knows the product as the bill of materials has it.
				found := document.Matches(w.advisory, "pkg:golang/product@v1.2.3?goarch=arm&goos=linux", []string{w.part})
				if len(found) != 1 {
					t.Errorf("%s: %d statements, want 1", w.advisory, len(found))
					continue
				}
				if found[0].Status != w.status || found[0].Justification != w.justification {
					t.Errorf("%s: %s %q, want %s %q", w.advisory,
						found[0].Status, found[0].Justification, w.status, w.justification)
				}
				if err := found[0].Validate(); err != nil {
					t.Errorf("%s: %v", w.advisory, err)
				}
			}
		})
	}
}

// A scanner finds a statement only by the spelling that it has itself.
func TestSpellings(t *testing.T) {
	for purl, want := range map[string][]string{
		"pkg:golang/golang.org%2Fx%2Ftext@v0.3.0": {"pkg:golang/golang.org/x/text@v0.3.0"},
		"pkg:golang/stdlib@v1.26.8":               {"pkg:golang/stdlib@v1.26.8", "pkg:golang/stdlib@1.26.8"},
	} {
		if got := spellings(purl); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", purl, got, want)
		}
	}
}

// Binaries of one release may differ, and the worst that is true of one is stated
// of the release, in whichever order they come.
func TestWorst(t *testing.T) {
	statement := func(name string, status vex.Status, why vex.Justification) vex.Statement {
		return vex.Statement{
			Vulnerability: vex.Vulnerability{Name: vex.VulnerabilityID(name)},
			Status:        status,
			Justification: why,
		}
	}
	absent := statement("GO-1", vex.StatusNotAffected, vex.VulnerableCodeNotPresent)
	idle := statement("GO-1", vex.StatusNotAffected, vex.VulnerableCodeNotInExecutePath)
	affected := statement("GO-1", vex.StatusAffected, "")
	other := statement("GO-2", vex.StatusNotAffected, vex.VulnerableCodeNotPresent)
	tests := []struct {
		name string
		said []vex.Statement
		want vex.Statement
	}{
		{"affected over not in the path", []vex.Statement{idle, other, affected}, affected},
		{"affected over not present", []vex.Statement{absent, other, affected}, affected},
		{"not in the path over not present", []vex.Statement{absent, other, idle}, idle},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := []vex.Statement{tt.want, other}
			if got := worst(tt.said); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			slices.Reverse(tt.said)
			if got := worst(tt.said); !reflect.DeepEqual(got, want) {
				t.Errorf("the other way round: got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// state builds the program in a directory and returns what scripts/vex.sh states
// of it by the local database.
func state(t *testing.T, source, product string) *vex.VEX {
	t.Helper()
	db, err := filepath.Abs("../../testdata/vex/db")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary, statement := filepath.Join(dir, "program"), filepath.Join(dir, "openvex.json")

	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	script := exec.Command("../../scripts/vex.sh", statement, product, binary)
	script.Env = append(os.Environ(), "VULNDB=file://"+db)
	for _, cmd := range []*exec.Cmd{build, script} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	document, err := vex.Open(statement)
	if err != nil {
		t.Fatal(err)
	}
	return document
}
