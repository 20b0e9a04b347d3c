//go:build mutants

// This file breaks the program in each way that a rule knows, and requires that
// the test suite fails for every one of these mutants: a check that can be taken
// out unnoticed is a check that nothing shows to be there.
//
// The rules are here, over go/ast, so that what is written tomorrow is broken
// tomorrow. Of the tools for this, gremlins leaves out what the process of the
// tests does not execute itself, which here is all that changes ids, since that
// is tested in the built program; and it takes out no statement. go-mutesting
// writes each mutant into the tree.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// notMutated are files without mutants, with the reason.
var notMutated = map[string]string{
	"diagnose.go": "words a refusal after the kernel's: a wrong word is a nuisance and no hole",
}

// equivalentPath lists mutants that nobody can tell from the program. A line
// that begins with # is a reason, and holds for the lines up to the next blank one.
const equivalentPath = "testdata/equivalent-mutants"

// A mutant is the program with one range of bytes in one file replaced.
type mutant struct {
	file, function string
	line           int
	change         string // in words
	start, end     int
	replacement    string
}

// String names the mutant in a way that stays when lines are added elsewhere.
func (m mutant) String() string { return m.file + " " + m.function + ": " + m.change }

// TestMutants makes all mutants and runs the suite on each, two at a time. One is
// killed when a test fails or the suite hangs; one that does not compile is none.
//
// With a regular expression in the environment variable MUTANTS only those are run
// whose name matches, without the equivalent ones: they take the longest, because
// no test fails.
func TestMutants(t *testing.T) {
	needRoot(t)
	selected, err := regexp.Compile(os.Getenv("MUTANTS"))
	if err != nil {
		t.Fatal(err)
	}
	mutants := allMutants(t)
	equivalent := readEquivalent(t, mutants)

	suite := newSuite(t)

	var mutex sync.Mutex
	counts := make(map[string]int)
	queue := make(chan mutant)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for m := range queue {
				outcome, why, err := m.test(suite)
				mutex.Lock()
				switch {
				case err != nil:
					t.Errorf("line %d: %s: %v", m.line, m, err)
				case outcome == survived && equivalent[m.String()]:
					outcome = "equivalent"
				case outcome == survived:
					t.Errorf("line %d: %s: the suite passes", m.line, m)
				case equivalent[m.String()] && outcome != invalid:
					t.Errorf("line %d: %s: said to be equivalent, but: %s", m.line, m, why)
				default:
					t.Logf("%s: %s: %s", outcome, m, why)
				}
				counts[outcome]++
				mutex.Unlock()
			}
		})
	}
	start := time.Now()
	for _, m := range mutants {
		if some := selected.String() != ""; !some || selected.MatchString(m.String()) && !equivalent[m.String()] {
			queue <- m
		}
	}
	close(queue)
	workers.Wait()
	t.Logf("%d mutants by rule, run in %v: %v", len(mutants), time.Since(start).Round(time.Second), counts)
}

// allMutants applies the rules to the files of the program.
func allMutants(t *testing.T) []mutant {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []mutant
	for _, path := range paths {
		built, err := build.Default.MatchFile(".", path)
		if err != nil {
			t.Fatal(err)
		}
		if !built || strings.HasSuffix(path, "_test.go") || notMutated[path] != "" {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, mutateFile(files.File(tree.Pos()), source, tree)...)
	}

	// Where two are alike, the line before tells them apart, or else a number.
	for round := range 2 {
		seen := make(map[string]int)
		for _, m := range all {
			seen[m.String()]++
		}
		count := make(map[string]int)
		for i, m := range all {
			switch name := m.String(); {
			case seen[name] == 1:
			case round == 0:
				source, err := os.ReadFile(m.file)
				if err != nil {
					t.Fatal(err)
				}
				before := strings.TrimSpace(strings.Split(string(source), "\n")[m.line-2])
				all[i].change += " after " + strings.TrimSuffix(before, " {")
			default:
				count[name]++
				all[i].change += fmt.Sprintf(" (%d)", count[name])
			}
		}
	}
	return all
}

// A mutator makes the mutants of one file.
type mutator struct {
	file     *token.File
	source   []byte
	function string
	mutants  []mutant
}

func mutateFile(file *token.File, source []byte, tree *ast.File) []mutant {
	m := &mutator{file: file, source: source}
	for _, declaration := range tree.Decls {
		m.function = "-"
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			m.function = d.Name.Name
			if d.Recv != nil {
				m.function = strings.TrimPrefix(m.text(d.Recv.List[0].Type), "*") + "." + m.function
			}
			m.walk(d.Body, returnsError(d.Type))
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				m.walk(d, false)
			}
		}
	}
	return m.mutants
}

// returnsError tells whether the last result is an error.
func returnsError(f *ast.FuncType) bool {
	if f.Results == nil {
		return false
	}
	last, ok := f.Results.List[len(f.Results.List)-1].Type.(*ast.Ident)
	return ok && last.Name == "error"
}

// text is a node as it stands in the file.
func (m *mutator) text(n ast.Node) string { return m.between(n.Pos(), n.End()) }

func (m *mutator) between(start, end token.Pos) string {
	return string(m.source[m.file.Offset(start):m.file.Offset(end)])
}

// brief is the first line of a node.
func (m *mutator) brief(n ast.Node) string {
	first, _, _ := strings.Cut(m.text(n), "\n")
	return strings.TrimSuffix(first, " {")
}

// replace adds the mutant that has other text in the place of node.
func (m *mutator) replace(node ast.Node, replacement, change string) {
	m.add(node.Pos(), node.End(), replacement, change)
}

func (m *mutator) add(start, end token.Pos, replacement, change string) {
	m.mutants = append(m.mutants, mutant{
		file: m.file.Name(), function: m.function, line: m.file.Line(start), change: change,
		start: m.file.Offset(start), end: m.file.Offset(end), replacement: replacement,
	})
}

// walk applies the rules to all that is in root, which is or is not the body of a
// function whose last result is an error.
func (m *mutator) walk(root ast.Node, failing bool) {
	ast.Inspect(root, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncLit:
			m.walk(n.Body, returnsError(n.Type))
			return false
		case *ast.ArrayType, *ast.Field:
			return false // a length; names

		// Statements.
		case *ast.BlockStmt:
			m.statements(n.List)
		case *ast.CaseClause:
			m.statements(n.Body)
		case *ast.ReturnStmt:
			return m.succeed(n, failing)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, value := range n.Rhs {
					m.walk(value, false)
				}
				return false // not the names
			}

		// Conditions.
		case *ast.IfStmt:
			m.condition(n.Cond, n)
		case *ast.ForStmt:
			if n.Cond != nil { // always: for ever
				m.replace(n.Cond, "false && ("+m.text(n.Cond)+")", "never "+m.brief(n.Cond))
			}
		case *ast.SwitchStmt:
			for _, clause := range n.Body.List {
				for _, condition := range clause.(*ast.CaseClause).List {
					if n.Tag == nil {
						m.condition(condition, condition)
					}
				}
			}

		// Values.
		case *ast.BinaryExpr:
			m.operator(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				m.replace(n, m.text(n.X), "without the ! of "+m.brief(n))
			}
		case *ast.BasicLit:
			if n.Kind == token.INT {
				m.replace(n, "("+n.Value+" + 1)", n.Value+" + 1 in "+m.lineOf(n))
			}
		case *ast.Ident:
			if other := confused.Replace(n.Name); other != n.Name {
				m.replace(n, other, other+" in "+m.lineOf(n))
			}
		case *ast.KeyValueExpr:
			m.walk(n.Value, false)
			return false // not the key
		case *ast.CompositeLit:
			for i, element := range n.Elts {
				end := n.Rbrace
				if i+1 < len(n.Elts) {
					end = n.Elts[i+1].Pos()
				}
				m.add(element.Pos(), end, "", "without "+m.brief(element)+" in "+m.brief(n))
			}
		case *ast.CallExpr:
			for _, argument := range n.Args {
				if id, ok := argument.(*ast.CallExpr); ok && m.text(id.Fun) == "uintptr" {
					// -1 means to the set calls to leave that id as it is.
					m.replace(id, "^uintptr(0)", "-1 for "+m.text(id)+" in "+m.brief(n))
				}
			}
		}
		return true
	})
}

// confused is what is taken for each other.
var confused = strings.NewReplacer("true", "false", "false", "true",
	"uid", "gid", "Uid", "Gid", "UID", "GID", "gid", "uid", "Gid", "Uid", "GID", "UID")

// statements leaves out one at a time, and exchanges neighbours that call
// something. Inside of "if false" the compiler still sees what they use.
func (m *mutator) statements(list []ast.Stmt) {
	for i, statement := range list {
		leaveOut := false
		switch s := statement.(type) {
		case *ast.AssignStmt:
			leaveOut = s.Tok != token.DEFINE
			if s.Tok != token.ASSIGN && s.Tok != token.DEFINE { // x |= y
				m.replace(s, m.text(s.Lhs[0])+" = "+m.text(s.Rhs[0]), "= in "+m.brief(s))
			}
		case *ast.IfStmt:
			leaveOut = s.Init != nil || s.Else != nil // without them, "never" does it
		case *ast.BranchStmt:
			leaveOut = len(list) > 1 // if it is alone, "never" does it
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.DeferStmt:
			leaveOut = true
		}
		if leaveOut {
			m.replace(statement, "if false { "+m.text(statement)+" }", "without "+m.brief(statement))
		}
		if i > 0 && calls(list[i-1]) && calls(statement) {
			before := list[i-1]
			m.add(before.Pos(), statement.End(), m.text(statement)+m.between(before.End(), statement.Pos())+m.text(before),
				m.brief(statement)+" before "+m.brief(before))
		}
	}
}

// calls tells whether a statement calls a function, and not only for a value, and
// goes on to the next.
func calls(s ast.Stmt) bool {
	if assignment, ok := s.(*ast.AssignStmt); ok && assignment.Tok != token.DEFINE {
		return false
	}
	found := false
	ast.Inspect(s, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name, isName := call.Fun.(*ast.Ident)
			found = found || !isName || types.Universe.Lookup(name.Name) == nil // len, append, int
		}
		return !found
	})
	_, isReturn := s.(*ast.ReturnStmt)
	return found && !isReturn
}

// succeed returns no error where one is returned, and tells whether anything else
// of the statement is to be mutated: not where what it returns is the error alone,
// of which only the words could change.
func (m *mutator) succeed(s *ast.ReturnStmt, failing bool) bool {
	if !failing || len(s.Results) == 0 {
		return true
	}
	last := s.Results[len(s.Results)-1]
	if m.text(last) == "nil" {
		return true
	}
	m.replace(s, "_ = "+m.text(last)+"; "+m.between(s.Pos(), last.Pos())+"nil", "nil from "+m.brief(s))
	return !isError.MatchString(m.text(last))
}

// isError matches an error that there is already, or that is made of words.
var isError = regexp.MustCompile(`^[\w.]+$|Errorf\(|errors\.|usageError\(`)

// condition makes one that is never true, and one that always is.
func (m *mutator) condition(c ast.Expr, of ast.Node) {
	m.replace(c, "false && ("+m.text(c)+")", "never "+m.brief(of))
	m.replace(c, "true || ("+m.text(c)+")", "always "+m.brief(of))
}

// others are the operators that stand in an operator's place. == and != of a
// condition need none: it is never and always true already.
var others = map[token.Token][]token.Token{
	token.LSS: {token.LEQ}, token.LEQ: {token.LSS}, token.GTR: {token.GEQ}, token.GEQ: {token.GTR},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.ADD},
	token.AND: {token.OR, token.AND_NOT}, token.OR: {token.AND}, token.AND_NOT: {token.AND, token.OR},
	token.SHL: {token.SHR}, token.SHR: {token.SHL},
}

// operator exchanges one, and leaves out each side of && and ||.
func (m *mutator) operator(b *ast.BinaryExpr) {
	isText := strings.ContainsAny(m.text(b), "\"`")
	for _, other := range others[b.Op] {
		if !isText {
			m.replace(b, "("+m.text(b.X)+other.String()+" "+m.text(b.Y)+")", other.String()+" in "+m.brief(b))
		}
	}
	if neutral := map[token.Token]string{token.LAND: "true || ", token.LOR: "false && "}[b.Op]; neutral != "" {
		for _, side := range []ast.Expr{b.X, b.Y} {
			m.replace(side, "("+neutral+m.text(side)+")", "without "+m.brief(side)+" in "+m.brief(b))
		}
	}
}

// lineOf is the line of the file that node begins in.
func (m *mutator) lineOf(node ast.Node) string {
	start := m.file.LineStart(m.file.Line(node.Pos()))
	line, _, _ := strings.Cut(string(m.source[m.file.Offset(start):]), "\n")
	return strings.TrimSuffix(strings.TrimSpace(line), " {")
}

// readEquivalent returns the names in the list of equivalent mutants. One that
// is no mutant, and one without a reason, is an error.
func readEquivalent(t *testing.T, mutants []mutant) map[string]bool {
	t.Helper()
	list, err := os.ReadFile(equivalentPath)
	if err != nil {
		t.Fatal(err)
	}
	equivalent := make(map[string]bool)
	hasReason := false
	for i, line := range strings.Split(string(list), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			hasReason = true
			continue
		case line == "":
			hasReason = false
			continue
		case !hasReason:
			t.Errorf("%s:%d: no reason stands before %q", equivalentPath, i+1, line)
		case !slices.ContainsFunc(mutants, func(m mutant) bool { return m.String() == line }):
			t.Errorf("%s:%d: no mutant is called %q", equivalentPath, i+1, line)
		}
		equivalent[line] = true
	}
	return equivalent
}

// What comes of a mutant.
const (
	killed   = "killed"
	hung     = "killed by the time limit"
	survived = "survived"
	invalid  = "does not compile"
)

// test runs one stage of the suite after the other until a test fails, and says
// which: first those that killed a mutant of the same function before.
func (m mutant) test(s *suite) (outcome, why string, err error) {
	dir, err := makeDir()
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	if out, err := m.build(dir, buildProgram); err != nil {
		line, _, _ := strings.Cut(strings.TrimPrefix(out, "# stepdown\n"), "\n")
		return invalid, line, nil
	}
	own := filepath.Join(dir, "tests")
	for _, stage := range s.order(m) {
		// Scripts test the built program, whoever runs them.
		tests := s.tests
		if !stage.isScript() {
			tests = own
		}
		if _, err := os.Stat(tests); err != nil {
			if _, err := m.build(dir, buildTests); err != nil {
				return killed, "the tests do not compile with it", nil
			}
		}
		out, err := stage.run(tests, dir)
		test := cmp.Or(failedScript.FindString(out), failedTest.FindString(out))
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return hung, stage.tests, nil
		case err != nil && test != "":
			_, test, _ = strings.Cut(test, "FAIL: ")
			s.learn(m, test, stage.limit)
			return killed, test, nil
		case err != nil && strings.Contains(out, "\nfatal error: "):
			return killed, "the tests' process ends", nil
		case err != nil:
			return "", "", fmt.Errorf("%w\n%s", err, out)
		}
	}
	return survived, "", nil
}

// This is how a test that fails says so, and a script.
var (
	failedTest   = regexp.MustCompile(`(?m)^--- FAIL: \S+`)
	failedScript = regexp.MustCompile(`(?m)^ +--- FAIL: TestScript/\S+`)
)

var (
	buildProgram = []string{"go", "build", "-trimpath", "-o", "stepdown"}
	buildTests   = []string{"go", "test", "-vet=off", "-c", "-o", "tests"}
)

// makeDir makes a directory that every user may search.
func makeDir() (string, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.Mkdir(filepath.Join(dir, "tmp"), 0o755), os.Chmod(dir, 0o755))
}

// build builds the program or its tests with m in them, or as they are where m is
// empty, into dir: by an overlay, so that the tree stays as it is. It returns what
// the compiler says.
func (m mutant) build(dir string, command []string) (string, error) {
	overlay := make(map[string]string)
	if m.file != "" {
		source, err := os.ReadFile(m.file)
		if err != nil {
			return "", err
		}
		path, err := filepath.Abs(m.file)
		if err != nil {
			return "", err
		}
		overlay[path] = filepath.Join(dir, "mutant.go")
		mutated := slices.Concat(source[:m.start], []byte(m.replacement), source[m.end:])
		if err := os.WriteFile(overlay[path], mutated, 0o644); err != nil {
			return "", err
		}
	}
	replace, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, replace, 0o644); err != nil {
		return "", err
	}
	last := len(command) - 1
	cmd := exec.Command(command[0], slices.Concat(command[1:last],
		[]string{filepath.Join(dir, command[last]), "-overlay", overlayFile, "-ldflags=-w", "."})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A stage is a part of the suite that is run by itself.
type stage struct {
	tests string // as -test.run takes them
	limit time.Duration
}

func (s stage) isScript() bool { return strings.HasPrefix(s.tests, "^TestScript$") }

// leftOut are tests without which the suite has to do. They compare other programs
// and files with each other, set limits, of which there are some here already, or
// wait only so long for a terminal.
const leftOut = "^(TestConversions|TestReadme.*|TestLimits|TestTerminal)$"

// run runs the stage by the test program, in dir. A mutant may do anything, as
// root: so it has mounts and processes of its own, of the file system it can
// write to that directory and to Go's cache alone, and a process gets no more than
// 4 GB of memory.
func (s stage) run(tests, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", `
			for directory in "$1" "$2"; do mount --bind "$directory" "$directory" || exit; done
			mount -o remount,bind,ro / && ulimit -d 4000000 || exit
			exec "$3" -test.v -test.failfast -test.skip "$4" -test.run "$5"`,
		"sh", dir, strings.TrimSpace(string(cache)), tests, leftOut, s.tests)
	cmd.Env = append(os.Environ(), "STEPDOWN="+filepath.Join(dir, "stepdown"), "TMPDIR="+filepath.Join(dir, "tmp"))
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), errors.Join(ctx.Err(), err)
}

// A suite is the tests of the program as it is, and in which order to run them.
type suite struct {
	tests  string // the test program
	stages []stage

	mutex   sync.Mutex
	killers map[string][]stage // by function, the last one first
}

// passedTest is how a test that passes says so.
var passedTest = regexp.MustCompile(`(?m)^--- PASS: (\S+) \((.*)s\)$`)

// newSuite runs the suite on the program as it is, where it has to pass, and makes
// stages of it: the quick tests together, and then each of the others, from the
// fastest to the slowest.
func newSuite(t *testing.T) *suite {
	t.Helper()
	dir, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, command := range [][]string{buildProgram, buildTests} {
		if out, err := (mutant{}).build(dir, command); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s := &suite{tests: filepath.Join(dir, "tests"), killers: make(map[string][]stage)}
	out, err := stage{".", time.Hour}.run(s.tests, dir)
	if err != nil {
		t.Fatalf("without a mutant: %v\n%s", err, out)
	}
	took := make(map[string]time.Duration)
	for _, match := range passedTest.FindAllStringSubmatch(out, -1) {
		if took[match[1]], err = time.ParseDuration(match[2] + "s"); err != nil {
			t.Fatal(err)
		}
	}
	var quick []string
	for _, test := range slices.SortedFunc(maps.Keys(took), func(a, b string) int { return cmp.Compare(took[a], took[b]) }) {
		if took[test] < 200*time.Millisecond && test != "TestScript" {
			quick = append(quick, test)
		} else {
			s.stages = append(s.stages, stage{"^" + test + "$", time.Minute + 20*took[test]})
		}
	}
	t.Logf("%d quick tests, and then %v", len(quick), s.stages)
	s.stages = slices.Insert(s.stages, 0, stage{"^(" + strings.Join(quick, "|") + ")$", time.Minute})
	return s
}

// order returns the stages in the order in which they are likely to kill m.
func (s *suite) order(m mutant) []stage {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Concat(s.killers[m.file+m.function], s.stages)
}

// learn notes that a test killed m.
func (s *suite) learn(m mutant, test string, limit time.Duration) {
	killer := stage{"^" + strings.ReplaceAll(test, "/", "$/^") + "$", limit}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	killers := slices.DeleteFunc(s.killers[m.file+m.function], func(k stage) bool { return k.tests == killer.tests })
	s.killers[m.file+m.function] = slices.Insert(killers, 0, killer)
}
