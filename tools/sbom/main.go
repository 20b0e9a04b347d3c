// Sbom writes the bill of materials of a binary that was built for a release, in
// CycloneDX: what is in it, from where, under which licence. All of it is read
// from the binary and from the modules that it names, and nothing from the clock,
// so that who builds the same binary gets the same document.
//
//	sbom BINARY...         writes BINARY.cdx.json
//	sbom -check BINARY...  checks BINARY.cdx.json against CycloneDX's own schema
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
	"github.com/google/uuid"
	"github.com/package-url/packageurl-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	checkOnly := flag.Bool("check", false, "check what was written")
	flag.Parse()
	do := write
	if *checkOnly {
		do = check
	}
	for _, binary := range flag.Args() {
		if err := do(binary); err != nil {
			fmt.Fprintf(os.Stderr, "sbom: %s: %v\n", binary, err)
			os.Exit(1)
		}
	}
}

func write(binary string) error {
	bom, err := describe(binary)
	if err != nil {
		return err
	}
	file, err := os.Create(binary + ".cdx.json")
	if err != nil {
		return err
	}
	// 1.6 and not newer, for it is what scanners in use read.
	err = cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return errors.Join(err, file.Close())
}

// describe makes the document.
func describe(binary string) (*cdx.BOM, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	settings := make(map[string]string)
	var properties []cdx.Property
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
		properties = append(properties, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	if settings["vcs.revision"] == "" {
		return nil, errors.New("no revision in the build information: build it by scripts/build.sh")
	}

	sum := sha256.Sum256(content)
	product := component(info.Main.Path, info.Main.Version, packageurl.Qualifiers{
		{Key: "goarch", Value: settings["GOARCH"]},
		{Key: "goos", Value: settings["GOOS"]},
	})
	product.Type = cdx.ComponentTypeApplication
	product.Version = strings.TrimPrefix(info.Main.Version, "v")
	product.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	product.Properties = &properties
	if product.Licenses, err = licences("../LICENSE"); err != nil {
		return nil, err
	}

	// The standard library is in each Go binary, and is what most advisories are for.
	library := component("stdlib", strings.TrimPrefix(info.GoVersion, "go"), nil)
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	if library.Licenses, err = licences(filepath.Join(root, "LICENSE")); err != nil {
		return nil, err
	}
	components := []cdx.Component{library}
	for _, dep := range info.Deps {
		c, err := module(dep)
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}

	var refs []string
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.Nil, sum[:]).URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp:  settings["vcs.time"],
		Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhasePostBuild}},
		Component:  &product,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
			{Type: cdx.ComponentTypeApplication, Name: "stepdown tools/sbom", Version: product.Version},
		}},
	}
	bom.Components = &components
	// Which module uses which, the binary does not tell; that there are no others, it does.
	bom.Dependencies = &[]cdx.Dependency{{Ref: product.BOMRef, Dependencies: &refs}}
	bom.Compositions = &[]cdx.Composition{{
		Aggregate:  cdx.CompositionAggregateComplete,
		Assemblies: &[]cdx.BOMReference{cdx.BOMReference(product.BOMRef)},
	}}
	return bom, nil
}

// module describes a module in the binary, by the very files that go.sum names.
func module(dep *debug.Module) (cdx.Component, error) {
	c := component(dep.Path, dep.Version, nil)
	if dep.Replace != nil {
		return c, fmt.Errorf("module %s is replaced by %s, which no advisory would be found for", dep.Path, dep.Replace.Path)
	}
	// The sum of the build information, as CycloneDX's own generator for Go writes it.
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(dep.Sum, "h1:"))
	if err != nil || len(sum) != sha256.Size {
		return c, fmt.Errorf("module %s has the sum %q, want h1: and a SHA-256", dep.Path, dep.Sum)
	}
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}

	text, err := output("go", "mod", "download", "-json", dep.Path+"@"+dep.Version)
	if err != nil {
		return c, err
	}
	var source struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(text), &source); err != nil {
		return c, err
	}
	if source.Sum != dep.Sum {
		return c, fmt.Errorf("module %s has the sum %s here, and %s in the binary", dep.Path, source.Sum, dep.Sum)
	}
	c.Licenses, err = licences(filepath.Join(source.Dir, "LICENSE"))
	return c, err
}

// component returns a library, named by its path and known by its package URL.
func component(name, version string, qualifiers packageurl.Qualifiers) cdx.Component {
	namespace := strings.TrimSuffix(path.Dir(name), ".")
	purl := packageurl.NewPackageURL(packageurl.TypeGolang, namespace, path.Base(name), version, qualifiers, "").ToString()
	return cdx.Component{
		BOMRef:     purl,
		Type:       cdx.ComponentTypeLibrary,
		Name:       name,
		Version:    version,
		PackageURL: purl,
	}
}

// licences tells the licences in a file, by their names in SPDX. A text that is
// not recognized for the most part is an error, to be looked at by a person.
func licences(file string) (*cdx.Licenses, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	const enough = 75 // percent; pkg.go.dev asks for the same
	found := licensecheck.Scan(text)
	if found.Percent < enough {
		return nil, fmt.Errorf("%s: licence not recognized", file)
	}
	var names []string
	for _, match := range found.Match {
		names = append(names, match.ID)
	}
	slices.Sort(names)
	var list cdx.Licenses
	for _, name := range slices.Compact(names) {
		list = append(list, cdx.LicenseChoice{License: &cdx.License{ID: name}})
	}
	return &list, nil
}

// check validates a document that was written before.
func check(binary string) error {
	const url = "http://cyclonedx.org/schema/"
	dir, err := output("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for name, file := range map[string]string{
		"bom-1.6.schema.json":  "bom-1.6.schema.json",
		"spdx.schema.json":     "spdx.schema.json",
		"jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		schema, err := readJSON(filepath.Join(dir, "schema", file))
		if err != nil {
			return err
		}
		if err := compiler.AddResource(url+name, schema); err != nil {
			return err
		}
	}
	schema, err := compiler.Compile(url + "bom-1.6.schema.json")
	if err != nil {
		return err
	}
	bom, err := readJSON(binary + ".cdx.json")
	if err != nil {
		return err
	}
	return schema.Validate(bom)
}

func readJSON(name string) (any, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return jsonschema.UnmarshalJSON(file)
}

// output runs a command and returns what it prints, without the last newline.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
