package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestMain makes the helpers of helpers_test.go and seccomp_helpers_test.go programs
// that scripts can call.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sandbox":    sandbox,
		"userns":     userns,
		"pretend":    pretend,
		"meanwhile":  meanwhile,
		"trickle":    trickle,
		"securebits": securebits,
		"ingroups":   ingroups,
		"listen":     listen,
		"rawenv":     rawenv,
		"nowrite":    nowrite,
		"noargv":     noargv,
		"filecap":    filecap,
	})
}

// TestScript runs the scripts in testdata/script: what a person would type as
// root in a container, and what has to come of it.
func TestScript(t *testing.T) {
	needRoot(t)
	bin := installed(t)
	helpers := helpersDir(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		WorkdirRoot:         publicDir(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+":"+helpers+":/usr/sbin:/usr/bin:/sbin:/bin")
			env.Setenv("BIN", bin)
			env.Setenv("STEPDOWN_TEST_THROWAWAY", os.Getenv("STEPDOWN_TEST_THROWAWAY"))
			env.Vars = append(env.Vars, processor()...)
			return os.Chmod(env.WorkDir, 0o755)
		},
		Condition: func(name string) (bool, error) {
			if name != "namespaces" {
				return false, fmt.Errorf("no condition %q", name)
			}
			return hasNamespaces(t), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits is the script command "exits STATUS PROGRAM [ARGUMENT...]": like exec,
// but the program must end with that very status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// needRoot skips a test that changes ids, mounts, or makes namespaces.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: ids, mounts and namespaces are changed")
	}
}

// needNamespaces skips a test that is nothing without a namespace of its own,
// where hasNamespaces says that there is none.
func needNamespaces(t testing.TB) {
	t.Helper()
	if !hasNamespaces(t) {
		t.Skip("needs CAP_SYS_ADMIN: makes namespaces, which this container is not allowed")
	}
}

// hasNamespaces tells whether the kernel lets this process make namespaces. It
// looks only where a machine is thrown away after the tests: anywhere else there
// have to be some, and a test that gets none fails instead of being skipped.
func hasNamespaces(t testing.TB) bool {
	t.Helper()
	if !throwaway() {
		return true
	}
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	err := probe.Run()
	if err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
	return err == nil
}

// installed returns a directory that every user may search, with the program
// under test in it, also under the names that it stands in for. The environment
// variable STEPDOWN names the program; without it, it is built.
func installed(t testing.TB) string {
	t.Helper()
	bin := publicDir(t)
	path := filepath.Join(bin, "stepdown")
	if built := os.Getenv("STEPDOWN"); built != "" {
		program, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, program, 0o755); err != nil {
			t.Fatal(err)
		}
	} else {
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-w", "-o", path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, name := range []string{"gosu", "su-exec"} {
		if err := os.Symlink("stepdown", filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// processor is what the environment holds where qemu runs the program under test on a
// certain processor: emulated_test.go. A script that empties the environment gets
// qemu's own.
func processor() []string {
	if model, isSet := os.LookupEnv("QEMU_CPU"); isSet {
		return []string{"QEMU_CPU=" + model}
	}
	return nil
}

// helpersDir returns the directory with the programs of TestMain, which from
// here on every user may search.
func helpersDir(t *testing.T) string {
	t.Helper()
	helper, err := exec.LookPath("sandbox")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(helper)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// workDir returns a directory for sandbox, with these files in its etc.
func workDir(t testing.TB, etc map[string]string) string {
	t.Helper()
	work := publicDir(t)
	for name, text := range etc {
		path := filepath.Join(work, "etc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return work
}

// publicDir returns a temporary directory that every user may search.
func publicDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
