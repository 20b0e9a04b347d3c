//go:build release

// This file runs the scripts in testdata/release: what has to stop a release, and
// what must not get into one. That a release which nothing stops is right,
// scripts/release-check.sh proves. It needs git and gpg.
package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRelease runs each script in a clone of its own, the directory stepdown, which
// has all that a release of version 1.2.3 takes: a tag, an entry in CHANGELOG.md, a
// key. Each then spoils one thing.
func TestRelease(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "release"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", os.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GNUPGHOME", filepath.Join(env.WorkDir, "gnupg"))
			env.Setenv("RELEASE_KEY", "release key")
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			repo, err := os.Getwd()
			if err != nil {
				return err
			}
			// As it stands here, committed or not.
			setup := exec.Command("sh", "-e", "-c", `
				mkdir stepdown
				(cd "$0" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -C stepdown
				git config --global user.name tester
				git config --global user.email tester@example.org
				cd stepdown
				git init -q
				sed -i 's/^## Unreleased$/&\n\n## 1.2.3 - 2026-01-31/' CHANGELOG.md
				git add .
				git commit -q -m "Release 1.2.3"
				git tag -a -m 1.2.3 v1.2.3
				mkdir -m 0700 "$GNUPGHOME"
				gpg --batch --quiet --passphrase '' --quick-generate-key "$RELEASE_KEY" ed25519 sign 1d
				gpgconf --kill all`, repo)
			setup.Dir, setup.Env = env.WorkDir, env.Vars
			if out, err := setup.CombinedOutput(); err != nil {
				t.Errorf("setup: %v\n%s", err, out)
				return err
			}
			return nil
		},
	})
}
