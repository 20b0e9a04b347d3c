//go:build docker

// This file runs the scripts in testdata/docker, which need a Docker engine:
// make test-docker brings one.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocker runs the scripts in testdata/docker. In them, REPO is the top of
// the source tree, BIN a directory with the program under test, STEPDOWN_IMAGE
// the image of the top-level Dockerfile, DIST the binaries and packages of a
// release, and TAG a name that no other script gives to its images, containers and
// volumes. Those whose names begin with it are removed afterwards.
func TestDocker(t *testing.T) {
	repo, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	bin := installed(t)
	helpers := helpersDir(t)
	image := stepdownImage(t, repo)
	dist := stepdownRelease(t)
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
			tag := "stepdown-test-" + strings.TrimPrefix(filepath.Base(env.WorkDir), "script-") + "-" + strconv.Itoa(os.Getpid())
			env.Setenv("STEPDOWN_IMAGE", image)
			env.Setenv("DIST", dist)
			env.Setenv("TAG", tag)
			env.Defer(func() {
				if err := removeFromDocker(tag); err != nil {
					t.Error(err)
				}
			})
			return os.Chmod(env.WorkDir, 0o755)
		},
		Cmds: dockerCmds,
	})
}

// docker runs the docker client and returns what it writes to standard output.
func docker(args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}

// removeFromDocker removes the containers, volumes and images whose names begin
// with tag, in the order in which they let go of each other.
func removeFromDocker(tag string) error {
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "--all", "--quiet", "--filter", "name=^/" + tag}, []string{"rm", "--force"}},
		{[]string{"volume", "ls", "--quiet", "--filter", "name=^" + tag}, []string{"volume", "rm"}},
		{[]string{"images", "--format", "{{.Repository}}", "--filter", "reference=" + tag + "*"}, []string{"rmi", "--force"}},
	} {
		found, err := docker(kind.list...)
		if err != nil {
			return err
		}
		if names := strings.Fields(found); len(names) > 0 {
			if _, err := docker(append(kind.remove, names...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildImage builds an image from files, by name, among them a Dockerfile; beside
// them lies the program under test. It returns the name of the image, which is
// removed after the test, as are containers whose names begin with it.
func buildImage(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := installed(t)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	image := "stepdown-test-" + strings.ToLower(filepath.Base(filepath.Dir(dir))+"-"+filepath.Base(dir))
	t.Cleanup(func() {
		if err := removeFromDocker(image); err != nil {
			t.Error(err)
		}
	})
	if _, err := docker("build", "--quiet", "--force-rm", "--tag", image, dir); err != nil {
		t.Fatal(err)
	}
	return image
}
