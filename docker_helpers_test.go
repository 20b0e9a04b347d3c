//go:build docker

// This file is what the scripts in testdata/docker share: the image that the
// examples copy stepdown from, and commands for what takes its time.
package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
