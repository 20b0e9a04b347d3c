//go:build emulated

// This file runs the programs of a release, each on its own architecture: the
// scripts in testdata/script, PID 1 and the terminal. make test-emulated builds
// the programs. An amd64 machine runs those for amd64 and i386 by itself. For the
// others the kernel calls qemu, and only inside of a user namespace: the machine's
// own settings stay as they are.
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An architecture is how a program for it is run.
type architecture struct {
	name string // Debian's, as in stepdown-NAME
	qemu string // qemu's, as in qemu-NAME-static; empty where the kernel does without

	// The processor that qemu is to be: of just the level that scripts/build.sh
	// builds for, because by default qemu has whatever there is in any. Empty where
	// that leaves no choice: of loong64 qemu knows one processor, and of IBM's for
	// s390x it has none whole.
	processor string

	// How to build for the next level, which that processor must not run. Empty
	// where Go knows only one.
	beyond []string
}

var architectures = []architecture{
	{name: "amd64"},
	{name: "i386"},
	{"armel", "arm", "arm926", []string{"GOARCH=arm", "GOARM=6"}},
	{"armhf", "arm", "arm1176", []string{"GOARCH=arm", "GOARM=7"}},
	{"arm64", "aarch64", "cortex-a53", []string{"GOARCH=arm64", "GOARM64=v8.1"}},
	{"mips64el", "mips64el", "MIPS64R2-generic", nil},
	{"ppc64el", "ppc64le", "power8", []string{"GOARCH=ppc64le", "GOPPC64=power9"}},
	{"riscv64", "riscv64", "sifive-u54", []string{"GOARCH=riscv64", "GORISCV64=rva22u64"}},
	{"s390x", "s390x", "", nil},
	{"loong64", "loongarch64", "", nil},
}

// excluded are the scripts of which qemu makes something else, and how. They are
// run all the same and have to fail: one that does not is no exception any more.
var excluded = []struct {
	script string
	on     []string // these architectures; where empty, all that take qemu
	reason string
}{
	{"environment-exact", nil, "qemu hands on the environment in reverse order, and only one variable of a name"},
	{"ignored-signals", nil, "qemu catches the signals that end a program, also those that its caller ignores"},
	{"address-space", []string{"armel", "armhf"}, "qemu reserves 4 GB for any 32-bit program"},
}

// TestEmulated runs the tests that use the program under test with each of those in
// the directory that the environment variable RELEASE names.
func TestEmulated(t *testing.T) {
	needRoot(t)
	if runtime.GOARCH != "amd64" {
		t.Fatalf("a machine for %s does not run amd64 and i386 by itself", runtime.GOARCH)
	}
	release := os.Getenv("RELEASE")
	if release == "" {
		t.Fatal("the environment variable RELEASE names no directory: use make test-emulated")
	}
	checkNoneIsMissing(t)
	scripts := scriptNames(t)
	for _, a := range architectures {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.checkLevel(t)

			reasons := a.exclusions(t, scripts)
			names := append([]string{"TestPID1", "TestTerminal"}, scripts...)
			results := a.runSuite(t, filepath.Join(release, "stepdown-"+a.name), names)
			report := fmt.Sprintf("%s %s: %d of %d scripts, TestPID1 and TestTerminal", a.name, a.processor, len(scripts)-len(reasons), len(scripts))
			for _, name := range names {
				result := results[name]
				reason, isExcluded := reasons[name]
				switch {
				case isExcluded && result.outcome != "FAIL":
					t.Errorf("%s: %s, want FAIL: it is excluded because %s: if that is not so, remove it there", name, result.outcome, reason)
				case isExcluded:
					report += fmt.Sprintf("\n%s without %s: %s", a.name, name, reason)
				case result.outcome != "PASS":
					t.Errorf("%s: %s, want PASS:\n%s", name, result.outcome, result.output)
				}
			}
			if !t.Failed() {
				t.Log(report)
			}
		})
	}
}

// checkNoneIsMissing fails unless the architectures here are those that are built.
func checkNoneIsMissing(t *testing.T) {
	t.Helper()
	list, err := exec.Command("scripts/build.sh", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range architectures {
		names = append(names, a.name)
	}
	if built := strings.Fields(string(list)); !slices.Equal(built, names) {
		t.Fatalf("scripts/build.sh builds for %s, and this test runs %s", built, names)
	}
}

// scriptNames returns the names of the scripts, as TestScript has them.
func scriptNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".txtar"))
	}
	return names
}

// exclusions returns the scripts that are excluded here, and the reasons.
func (a architecture) exclusions(t *testing.T, scripts []string) map[string]string {
	t.Helper()
	reasons := make(map[string]string)
	for _, e := range excluded {
		if !slices.Contains(scripts, e.script) {
			t.Fatalf("no script %s, which is excluded because %s", e.script, e.reason)
		}
		if a.qemu != "" && len(e.on) == 0 || slices.Contains(e.on, a.name) {
			reasons[e.script] = e.reason
		}
	}
	return reasons
}

// checkLevel shows that the processor is of no higher level than it should be: it
// does not run what is built for the next one, and qemu's own does.
func (a architecture) checkLevel(t *testing.T) {
	t.Helper()
	if len(a.beyond) == 0 {
		return
	}
	program := filepath.Join(t.TempDir(), "beyond")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-w", "-o", program, ".")
	build.Env = slices.Concat(os.Environ(), a.beyond, []string{"CGO_ENABLED=0"})
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	best := a
	best.processor = ""
	if out, err := best.command(t, program, program, "--version").CombinedOutput(); err != nil {
		t.Errorf("%s, on qemu's own processor: %v\n%s", a.beyond, err, out)
	}
	out, err := a.command(t, program, program, "--version").CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != unix.SIGILL {
		t.Errorf("%s, on %s: got %v, want an illegal instruction\n%s", a.beyond, a.processor, err, out)
	}
}

// Lines of go test -v: which test the following lines are of, and what came of one.
var (
	testBegins = regexp.MustCompile(`(?m)^=== [A-Z]+ +(?:TestScript/)?(\S+)\n`)
	testEnded  = regexp.MustCompile(`(?m)^ {0,4}--- ([A-Z]+): (?:TestScript/)?(\S+) \(`)
)

// A verdict is what came of a test, PASS, FAIL or SKIP, and what it printed.
type verdict struct{ outcome, output string }

// runSuite runs the tests with program as the one under test, and returns what came
// of each of names. All of them have to have run.
func (a architecture) runSuite(t *testing.T, program string, names []string) map[string]verdict {
	t.Helper()
	cmd := a.command(t, program, a.suite(t),
		"-test.v", "-test.run=^(TestScript|TestPID1|TestTerminal)$", "-test.parallel=1", "-test.timeout=1h")
	cmd.Env = append(cmd.Env, "STEPDOWN="+program)
	bytes, err := cmd.CombinedOutput()
	out := string(bytes)

	outcomes := make(map[string]string)
	for _, match := range testEnded.FindAllStringSubmatch(out, -1) {
		outcomes[match[2]] = match[1]
	}
	outputs := make(map[string]string)
	begins := testBegins.FindAllStringSubmatchIndex(out, -1)
	for i, match := range begins {
		end := len(out)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		outputs[out[match[2]:match[3]]] += out[match[1]:end]
	}
	results := make(map[string]verdict)
	for _, name := range names {
		if outcomes[name] == "" {
			t.Fatalf("%s was not run: %v\n%s", name, err, out)
		}
		results[name] = verdict{outcomes[name], outputs[name]}
	}
	return results
}

// suite returns the tests as a program. They are the machine's own, except for i386:
// the helper pretend knows the numbers that system calls have where it is built
// for, and those that qemu makes are the machine's.
func (a architecture) suite(t *testing.T) string {
	t.Helper()
	if a.name != "i386" {
		suite, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return suite
	}
	suite := filepath.Join(t.TempDir(), "suite")
	build := exec.Command("go", "test", "-c", "-o", suite, ".")
	build.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return suite
}

// command returns a command under which program, and each copy of it, runs as if it
// were the machine's own.
//
// The kernel takes a program with the same ELF header, up to what machine it is for,
// to qemu by binfmt_misc, which user namespaces have of their own since Linux 6.7.
// P keeps argv[0]. C has a setuid file, or one with capabilities, be what it is for
// any other program. F opens qemu once, for every mount namespace.
//
// All ids are mapped, so that none is too large.
func (a architecture) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	if a.qemu == "" {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = os.Environ()
		return cmd
	}
	qemu, err := exec.LookPath("qemu-" + a.qemu + "-static")
	if err != nil {
		t.Fatalf("%v: install qemu-user-static", err)
	}
	file, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var header [20]byte // e_ident, e_type and e_machine: elf(5)
	if _, err := io.ReadFull(file, header[:]); err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	var magic strings.Builder
	for _, b := range header {
		fmt.Fprintf(&magic, `\x%02x`, b)
	}
	rule := ":stepdown:M::" + magic.String() + "::" + qemu + ":PCF"

	const emulate = `mount -t binfmt_misc none "$1" && printf %s "$2" >"$1/register" && shift 2 && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", emulate, "sh", t.TempDir(), rule}, args...)...)
	cmd.Env = os.Environ()
	if a.processor != "" {
		cmd.Env = append(cmd.Env, "QEMU_CPU="+a.processor)
	}
	everyID := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: math.MaxUint32}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings:                everyID,
		GidMappings:                everyID,
		GidMappingsEnableSetgroups: true,
	}
	return cmd
}
