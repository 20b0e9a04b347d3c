//go:build docker

// This file runs the scripts in testdata/docker, which need a Docker engine:
// make test-docker brings one.
package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocker runs the scripts in testdata/docker. In them, REPO is the top of
// the source tree, BIN a directory with the program under test, and TAG a name
// that no other script gives to its images and containers.
func TestDocker(t *testing.T) {
	repo, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	bin := installed(t)
	helpers := helpersDir(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "docker"),
		WorkdirRoot:         publicDir(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+":"+helpers+":"+os.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir) // docker keeps its settings there
			env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
			env.Setenv("REPO", repo)
			env.Setenv("BIN", bin)
			env.Setenv("TAG", "stepdown-test-"+filepath.Base(env.WorkDir))
			return os.Chmod(env.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}
