// This file holds docs/HOLES.md to the tests that it names.
package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	// holeTest is the name of a test in HOLES.md, with that of a subtest.
	holeTest = regexp.MustCompile("`((?:Test|Fuzz)\\w+)(?:/([^`]+))?`")

	// holeSource is what tells where a hole is known from.
	holeSource = regexp.MustCompile(`CVE-\d{4}-\d{4,}|\]\(http|\w\(\d[A-Z]?\)|Seen: |moby/sys|Docker|runc|POS36-C|sudo, doas, su, pkexec`)
)

// TestHoles requires of each row in docs/HOLES.md that it says what the hole is,
// where it is known from, why it is not here, and by which test that is shown,
// which has to exist. A row without a test says why the hole does not apply.
func TestHoles(t *testing.T) {
	text, err := os.ReadFile("docs/HOLES.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	rows := 0
	for number, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") ||
			strings.HasPrefix(line, "| hole |") || strings.HasPrefix(line, "| what |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 4 {
			t.Errorf("line %d has %d cells, want 4: %s", number+1, len(cells), line)
			continue
		}
		for i, cell := range cells {
			if cells[i] = strings.TrimSpace(cell); cells[i] == "" {
				t.Errorf("line %d: the cell %d is empty", number+1, i+1)
			}
		}
		source, shown := cells[1], cells[3]
		if !holeSource.MatchString(source) {
			t.Errorf("line %d names no source: %s", number+1, source)
		}
		named := holeTest.FindAllStringSubmatch(shown, -1)
		if reason, ok := strings.CutPrefix(shown, "does not apply: "); len(named) == 0 && (!ok || reason == "") {
			t.Errorf("line %d names no test, and does not say why it does not apply: %s", number+1, shown)
		}
		for _, name := range named {
			if !tests.has(name[1], name[2]) {
				t.Errorf("line %d: there is no test %s", number+1, name[0])
			}
		}
	}
	if rows < 50 {
		t.Errorf("%d rows are too few to be all", rows)
	}
	t.Logf("%d rows", rows)
}

// testFuncs has the tests of this directory, whatever build tags they need, and
// the texts that stand in each, of which some are names of subtests.
type testFuncs map[string]map[string]bool

// testNames reads the names from the source.
func testNames(t *testing.T) testFuncs {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(testFuncs)
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range source.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Recv != nil {
				continue
			}
			texts := make(map[string]bool)
			ast.Inspect(function, func(node ast.Node) bool {
				if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					texts[text] = err == nil
				}
				return true
			})
			tests[function.Name.Name] = texts
		}
	}
	return tests
}

// has tells whether there is a test of this name with this subtest, if any.
func (tests testFuncs) has(name, subtest string) bool {
	texts, ok := tests[name]
	if !ok || subtest == "" {
		return ok
	}
	script, ok := map[string]string{"TestScript": "script", "TestDocker": "docker"}[name]
	if ok {
		_, err := os.Stat(filepath.Join("testdata", script, subtest+".txtar"))
		return err == nil
	}
	return texts[strings.ReplaceAll(subtest, "_", " ")]
}
