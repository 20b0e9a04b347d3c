//go:build docker

// This file is what the scripts in testdata/docker share: the image that the
// examples copy stepdown from, a release, and commands for what takes its time.
package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// stepdownImage builds the image of the top-level Dockerfile, under a name that
// no image of the user has, and returns the name.
func stepdownImage(t *testing.T, repo string) string {
	t.Helper()
	name := "stepdown-test-image-" + time.Now().UTC().Format("20060102150405")
	if _, err := docker("build", "--quiet", "--network", "host", "--tag", name, repo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := docker("rmi", name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// stepdownRelease makes the binaries of release 1.2.3, their sums, and the packages
// for the machine that containers have here, and returns the directory. In newer in
// it are the same packages of release 1.2.4.
func stepdownRelease(t *testing.T) string {
	t.Helper()
	dist := t.TempDir()
	newer := filepath.Join(dist, "newer")
	arch, err := docker("run", "--rm", "--network", "none", "debian:bookworm-slim", "dpkg", "--print-architecture")
	if err != nil {
		t.Fatal(err)
	}
	arch = strings.TrimSpace(arch)
	for _, command := range [][]string{
		{"scripts/build.sh", dist, "1.2.3"},
		{"scripts/build.sh", newer, "1.2.4", arch},
		{"scripts/packages.sh", "1.2.3", dist, arch},
		{"scripts/packages.sh", "1.2.4", newer, arch},
		{"sh", "-c", `cd "$1" && sha256sum stepdown-*[!m] >SHA256SUMS`, "sh", dist},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	return dist
}

// dockerCmds are the commands of the scripts.
var dockerCmds = map[string]func(*testscript.TestScript, bool, []string){
	"exits":      exits,
	"eventually": eventually,
	"within":     within,
	"serve":      serve,
	"gpghome":    gpghome,
}

// eventually is the script command "eventually PROGRAM [ARGUMENT...]": run it
// again and again until it succeeds. It gives up after a minute.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually PROGRAM [ARGUMENT...]")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v, for a minute", err)
		}
	}
}

// within is the script command "within DURATION PROGRAM [ARGUMENT...]": like
// exec, and the log says how long it took, which must be no longer than that.
// With "!" it must be longer.
func within(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] within DURATION PROGRAM [ARGUMENT...]")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	ts.Check(ts.Exec(args[1], args[2:]...))
	took := time.Since(start)
	ts.Logf("took %.2f s", took.Seconds())
	if (took > limit) != neg {
		ts.Fatalf("took %v", took)
	}
}

// serve is the script command "serve DIRECTORY": it is served by HTTP on the
// loopback interface until the script ends, and URL says where.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve DIRECTORY")
	}
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
}

// gpghome is the script command "gpghome DIRECTORY": gpg keeps its keys there
// from here on, and the agent that it starts is gone when the script ends.
func gpghome(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gpghome DIRECTORY")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Setenv("GNUPGHOME", dir)
	ts.Defer(func() {
		kill := exec.Command("gpgconf", "--homedir", dir, "--kill", "all")
		if out, err := kill.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
			ts.Fatalf("gpgconf: %v\n%s", err, out)
		}
	})
}
