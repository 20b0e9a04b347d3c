//go:build release

// This file runs the commands that docs/RELEASES.md and docs/INSTALL.md tell people
// to run, on a release that it makes, and on ones that somebody changed; and the
// check that tells whether a release has to be made anew. It needs curl and gpg:
// make test-release installs them.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleaseVerification runs the block under "Verify a download" on releases that
// are as they should be, and on others. Where one is not, a command of the block
// says so and the block ends there, for each way in which it can be wrong.
func TestReleaseVerification(t *testing.T) {
	t.Setenv("GNUPGHOME", t.TempDir())
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("gpgconf: %v\n%s", err, out)
		}
	})
	const arch = "amd64"
	program := "stepdown-" + arch
	for _, key := range []string{"release key", "another key"} {
		mustShell(t, ".", "gpg --batch --quiet --passphrase '' --quick-generate-key '"+key+"' ed25519 sign 1d")
	}
	verify := onlyBlock(t, "docs/RELEASES.md", "Verify a download")
	install := onlyBlock(t, "docs/INSTALL.md", "The program alone")

	for name, test := range map[string]struct{ change, key, says string }{
		"as it was signed":                     {"", "release key", program + ": OK"},
		"a byte more in the program":           {"printf x >>" + program, "release key", program + ": FAILED"},
		"a byte other in the program":          {"printf x | dd of=" + program + " bs=1 seek=100 conv=notrunc status=none", "release key", program + ": FAILED"},
		"the checksum changed with it":         {"printf x >>" + program + "; sha256sum stepdown-* >SHA256SUMS", "release key", "BAD signature"},
		"signed by another key":                {"", "another key", "No public key"},
		"a signed list without the program":    {"sed -i '/" + program + "$/d' SHA256SUMS; rm SHA256SUMS.asc; gpg --batch --quiet --local-user 'release key' --armor --detach-sign SHA256SUMS", "release key", "no properly formatted"},
		"of two releases, signed both":         {"echo another >" + program + "; rm " + program + ".asc; gpg --batch --quiet --local-user 'release key' --armor --detach-sign " + program, "release key", program + ": FAILED"},
		"the signature is not there":           {"rm SHA256SUMS.asc", "release key", "curl: "},
		"the signature is that of the program": {"cp " + program + ".asc SHA256SUMS.asc", "release key", "BAD signature"},
	} {
		t.Run(name, func(t *testing.T) {
			release, download := t.TempDir(), t.TempDir()
			copyProgram(t, filepath.Join(release, program))
			mustShell(t, release, "echo other >stepdown-arm64; sha256sum stepdown-* >SHA256SUMS; "+
				"for file in SHA256SUMS stepdown-*; do gpg --batch --quiet --local-user '"+test.key+"' --armor --detach-sign $file; done")
			mustShell(t, release, test.change)
			mustShell(t, download, "gpg --batch --export 'release key' >stepdown-release.gpg")

			prefix := "release=file://" + release + " arch=" + arch + "\n"
			out, err := inShell(download, prefix+verify)
			if good := test.key == "release key" && test.change == ""; (err == nil) != good {
				t.Errorf("%v\n%s", err, out)
			}
			if !strings.Contains(out, test.says) {
				t.Errorf("says\n%s\nwant %s", out, test.says)
			}
			if err != nil {
				return
			}
			bin := t.TempDir()
			mustShell(t, download, prefix+strings.ReplaceAll(install, "/usr/local/bin", bin))
			mustShell(t, bin, "./stepdown --version")
		})
	}
}

// TestReleaseRebuild runs the block under "Rebuild it" in a clone, on the checksums
// that it has to find and on others. What is built there is made up and quick; that
// a build gives the same bytes again, scripts/release-check.sh proves.
func TestReleaseRebuild(t *testing.T) {
	clone := t.TempDir()
	mustShell(t, ".", `git clone -q . "`+clone+`"
		cp Makefile "`+clone+`/" && cp scripts/reproduce.sh "`+clone+`/scripts/"
		cd "`+clone+`"
		printf '#!/bin/sh\nmkdir "$1" && cd "$1" && echo $2 >stepdown-amd64 && echo $2 too >stepdown-i386\n' >scripts/build.sh
		git config user.name tester && git config user.email tester@example.org
		git commit -q --all --message 'build at once' && git tag --annotate v1.2.3 --message 1.2.3
		scripts/build.sh ../dist 1.2.3 && cd ../dist
		echo other >stepdown-amd64.cdx.json
		sha256sum * >"`+clone+`/SHA256SUMS"
		rm -r ../dist`)
	block := onlyBlock(t, "docs/RELEASES.md", "Rebuild it")
	if out := mustShell(t, clone, block); out != "" {
		t.Errorf("of the same programs it says: %s", out)
	}
	mustShell(t, clone, "sed -i '/ stepdown-i386$/ { s/^./x/ }' SHA256SUMS")
	if out, err := inShell(clone, block); err == nil || !strings.Contains(out, "stepdown-i386") {
		t.Errorf("of another program it says: %v\n%s", err, out)
	}
}

// TestReleaseFromSource runs the block under "From source".
func TestReleaseFromSource(t *testing.T) {
	root := t.TempDir()
	mustShell(t, ".", "export DESTDIR="+root+"\n"+onlyBlock(t, "docs/INSTALL.md", "From source"))
	mustShell(t, root, "usr/local/bin/stepdown --version; test -f usr/local/share/man/man1/stepdown.1")
}

// TestReleaseArchitectures requires the table in docs/RELEASES.md to have the
// architectures that are built, and no others.
func TestReleaseArchitectures(t *testing.T) {
	_, table, _ := strings.Cut(docSection(t, "docs/RELEASES.md", "What a release contains"), "\n| ARCH |")
	var got []string
	for _, row := range strings.Split(table, "\n|")[2:] {
		arch, _, _ := strings.Cut(row, "|")
		got = append(got, strings.TrimSpace(arch))
	}
	want := strings.Fields(mustShell(t, ".", "scripts/build.sh --list"))
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the table has %v, want %v", got, want)
	}
}

// TestReleaseVulncheck asks databases with one vulnerability each, in a package
// that is not in the program, in a function that is not, and in one that is: the
// source is concerned by the last alone, a release by the last two.
func TestReleaseVulncheck(t *testing.T) {
	program := filepath.Join(t.TempDir(), "stepdown")
	copyProgram(t, program)
	for _, test := range []struct {
		function        string
		source, release int
	}{
		{"net/http.Get", 0, 0},
		{"os.Chtimes", 0, 3},
		{"os.OpenFile", 3, 3},
	} {
		t.Run(test.function, func(t *testing.T) {
			t.Parallel()
			database := vulnerabilityDatabase(t, test.function)
			for arguments, want := range map[string]int{"": test.source, program: test.release} {
				out, err := inShell(".", "VULNDB=file://"+database+" scripts/vulncheck.sh "+arguments)
				got := 0
				var ended *exec.ExitError
				if errors.As(err, &ended) {
					got = ended.ExitCode()
				}
				if got != want || (want == 3) != strings.Contains(out, "GO-2026-9999") {
					t.Errorf("vulncheck.sh %s: status %d, want %d, and no other vulnerability\n%s", arguments, got, want, out)
				}
			}
		})
	}
	out, err := inShell(".", "scripts/vulncheck.sh /bin/sh")
	if err == nil || !strings.HasSuffix(out, "vulncheck: cannot check /bin/sh\n") {
		t.Errorf("of a program that is not Go's, it says: %v\n%s", err, out)
	}
}

// vulnerabilityDatabase makes a database, as https://go.dev/doc/security/vuln/database
// has it, with one vulnerability: in a function of the standard library, in each
// version of Go.
func vulnerabilityDatabase(t *testing.T, function string) string {
	t.Helper()
	dir := t.TempDir()
	dot := strings.LastIndex(function, ".")
	const vulnerability = `{"id": "GO-2026-9999", "modified": "2026-01-01T00:00:00Z"`
	for name, text := range map[string]string{
		"index/db.json":      `{"modified": "2026-01-01T00:00:00Z"}`,
		"index/modules.json": `[{"path": "stdlib", "vulns": [` + vulnerability + `}]}]`,
		"ID/GO-2026-9999.json": vulnerability + fmt.Sprintf(`,
			"published": "2026-01-01T00:00:00Z", "summary": "made for a test",
			"database_specific": {"url": "https://pkg.go.dev/vuln/GO-2026-9999"},
			"affected": [{"package": {"name": "stdlib", "ecosystem": "Go"},
				"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
				"ecosystem_specific": {"imports": [{"path": %q, "symbols": [%q]}]}}]}`,
			function[:dot], function[dot+1:]),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onlyBlock returns the block of shell commands in a section of a document, which
// must have one and no more.
func onlyBlock(t *testing.T, file, heading string) string {
	t.Helper()
	parts := strings.Split(docSection(t, file, heading), "\n```")
	if len(parts) != 3 || !strings.HasPrefix(parts[1], "sh\n") {
		t.Fatalf("%s: want one block of sh under %s", file, heading)
	}
	return strings.TrimPrefix(parts[1], "sh\n")
}

// copyProgram copies the program under test to a path.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(installed(t), "stepdown"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
}

// mustShell runs commands in a directory, which have to succeed, and returns what they
// write.
func mustShell(t *testing.T, dir, commands string) string {
	t.Helper()
	out, err := inShell(dir, commands)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, out)
	}
	return out
}

// inShell runs commands in a directory until one fails, and returns what they write.
func inShell(dir, commands string) (string, error) {
	cmd := exec.Command("sh", "-e", "-c", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
