//go:build packages

// This file looks into the packages of a release: each is for the architecture that
// it says, holds the released binary byte for byte, and needs nothing.
// scripts/packages-check.sh brings what it takes, and says where they are.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// packageArchs are the packages that there have to be, and no others, by the name
// that the binary in them has in the release.
var packageArchs = []struct{ binary, deb, rpm, apk string }{
	{binary: "amd64", deb: "amd64", rpm: "x86_64", apk: "x86_64"},
	{binary: "i386", deb: "i386", rpm: "i686", apk: "x86"},
	{binary: "armel", deb: "armel", rpm: "armv5tel"},
	{binary: "armhf", deb: "armhf", rpm: "armv6hl", apk: "armhf"},
	{binary: "armhf", apk: "armv7"},
	{binary: "arm64", deb: "arm64", rpm: "aarch64", apk: "aarch64"},
	{binary: "mips64el", deb: "mips64el", rpm: "mips64el"},
	{binary: "ppc64el", deb: "ppc64el", rpm: "ppc64le", apk: "ppc64le"},
	{binary: "riscv64", deb: "riscv64", rpm: "riscv64", apk: "riscv64"},
	{binary: "s390x", deb: "s390x", rpm: "s390x", apk: "s390x"},
	{binary: "loong64", deb: "loong64", rpm: "loongarch64", apk: "loongarch64"},
}

func TestPackages(t *testing.T) {
	dist, version := release(t)
	var want []string
	for _, arch := range packageArchs {
		binary := readFile(t, filepath.Join(dist, "stepdown-"+arch.binary))
		for _, p := range []struct {
			name  string
			check func(t *testing.T, path, version, arch string) map[string][]byte
			arch  string
		}{
			{"stepdown_" + version + "_" + arch.deb + ".deb", checkDeb, arch.deb},
			{"stepdown-" + version + "-1." + arch.rpm + ".rpm", checkRPM, arch.rpm},
			{"stepdown_" + version + "_" + arch.apk + ".apk", checkAPK, arch.apk},
		} {
			if p.arch == "" {
				continue
			}
			want = append(want, p.name)
			t.Run(p.name, func(t *testing.T) {
				files := p.check(t, filepath.Join(dist, p.name), version, p.arch)
				if !bytes.Equal(files["usr/bin/stepdown"], binary) {
					t.Errorf("the program is not stepdown-%s", arch.binary)
				}
				page := gunzip(t, files["usr/share/man/man1/stepdown.1.gz"])
				if !bytes.Equal(page, readFile(t, "docs/stepdown.1")) {
					t.Error("the manual page is not docs/stepdown.1")
				}
			})
		}
	}

	var got []string
	for _, pattern := range []string{"*.deb", "*.rpm", "*.apk"} {
		paths, err := filepath.Glob(filepath.Join(dist, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			got = append(got, filepath.Base(path))
		}
	}
	sort.Strings(want)
	sort.Strings(got)
	if !slices.Equal(got, want) {
		t.Errorf("the packages are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// checkDeb checks what dpkg reads, and returns the files in the package.
func checkDeb(t *testing.T, path, version, arch string) map[string][]byte {
	// No Depends, Pre-Depends, Provides, Conflicts, Replaces.
	var names []string
	for field := range strings.Lines(output(t, nil, "dpkg-deb", "--field", path)) {
		if name, _, found := strings.Cut(field, ": "); found && field[0] != ' ' {
			names = append(names, name)
		}
	}
	const fields = "Package Version Section Priority Architecture Maintainer Installed-Size Description"
	if got := strings.Join(names, " "); got != fields {
		t.Errorf("the fields are %s, want %s", got, fields)
	}
	got := output(t, nil, "dpkg-deb", "--show", "--showformat=${Package} ${Version} ${Architecture}", path)
	if want := "stepdown " + version + " " + arch; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}

	listing, files := untar(t, []byte(output(t, nil, "dpkg-deb", "--fsys-tarfile", path)))
	same(t, listing, `drwxr-xr-x 0:0 usr/
drwxr-xr-x 0:0 usr/bin/
-rwxr-xr-x 0:0 usr/bin/stepdown
drwxr-xr-x 0:0 usr/share/
drwxr-xr-x 0:0 usr/share/doc/
drwxr-xr-x 0:0 usr/share/doc/stepdown/
-rw-r--r-- 0:0 usr/share/doc/stepdown/changelog.gz
-rw-r--r-- 0:0 usr/share/doc/stepdown/copyright
drwxr-xr-x 0:0 usr/share/lintian/
drwxr-xr-x 0:0 usr/share/lintian/overrides/
-rw-r--r-- 0:0 usr/share/lintian/overrides/stepdown
drwxr-xr-x 0:0 usr/share/man/
drwxr-xr-x 0:0 usr/share/man/man1/
-rw-r--r-- 0:0 usr/share/man/man1/stepdown.1.gz
`)
	if !bytes.Equal(files["usr/share/doc/stepdown/copyright"], readFile(t, "packaging/copyright")) {
		t.Error("the licences are not packaging/copyright")
	}
	entry := "stepdown (" + version + ") stable; urgency=medium\n\n"
	if changes := gunzip(t, files["usr/share/doc/stepdown/changelog.gz"]); !bytes.HasPrefix(changes, []byte(entry)) {
		t.Errorf("the changes begin %.60q, want %q", changes, entry)
	}
	return files
}

// checkRPM checks what rpm reads, and returns the files in the package.
func checkRPM(t *testing.T, path, version, arch string) map[string][]byte {
	if got := output(t, nil, "rpm", "--checksig", path); got != path+": digests OK\n" {
		t.Errorf("rpm --checksig says %q", got)
	}
	got := output(t, nil, "rpm", "--query", "--package", "--queryformat", "%{NAME} %{VERSION} %{ARCH} %{OS} %{BUILDHOST}", path)
	if want := "stepdown " + version + " " + arch + " linux reproducible"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	for _, relation := range []string{"requires", "conflicts", "obsoletes", "recommends", "suggests", "supplements", "enhances"} {
		if got := output(t, nil, "rpm", "--query", "--package", "--"+relation, path); got != "" {
			t.Errorf("%s: %s, want none", relation, got)
		}
	}

	listing, files := untar(t, []byte(output(t, readFile(t, path), "rpm2archive", "--nocompression", "-")))
	same(t, listing, `-rwxr-xr-x 0:0 usr/bin/stepdown
drwxr-xr-x 0:0 usr/share/licenses/stepdown/
-rw-r--r-- 0:0 usr/share/licenses/stepdown/LICENSE
-rw-r--r-- 0:0 usr/share/licenses/stepdown/copyright
-rw-r--r-- 0:0 usr/share/man/man1/stepdown.1.gz
`)
	checkLicences(t, files)
	// rpm compares the files on disk with these sums: rpm --verify.
	const sums = "[%{FILEDIGESTS} %{FILENAMES}\n]"
	for line := range strings.Lines(output(t, nil, "rpm", "--query", "--package", "--queryformat", sums, path)) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		content, isFile := files[strings.TrimPrefix(name, "/")]
		if sum := sha256.Sum256(content); isFile && digest != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another sum than the package says", name)
		}
	}
	return files
}

// checkAPK reads a package as apk does, which Debian does not have: two gzip
// streams, one with .PKGINFO and one with the files (a signature before them would
// be a third). .PKGINFO has the sum of the second stream, and that has the sums of
// the files in it. https://wiki.alpinelinux.org/wiki/Apk_spec
func checkAPK(t *testing.T, path, version, arch string) map[string][]byte {
	stream := bytes.NewReader(readFile(t, path)) // gzip reads no more of it than a member
	control, err := gzip.NewReader(stream)
	if err != nil {
		t.Fatal(err)
	}
	control.Multistream(false)
	header, err := io.ReadAll(control)
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}

	listing, info := untar(t, header)
	same(t, listing, "-rw------- 0:0 .PKGINFO\n")
	data := gunzip(t, compressed)
	listing, files := untar(t, data)
	same(t, listing, `drwxr-xr-x 0:0 usr/
drwxr-xr-x 0:0 usr/bin/
-rwxr-xr-x 0:0 usr/bin/stepdown
drwxr-xr-x 0:0 usr/share/
drwxr-xr-x 0:0 usr/share/licenses/
drwxr-xr-x 0:0 usr/share/licenses/stepdown/
-rw-r--r-- 0:0 usr/share/licenses/stepdown/LICENSE
-rw-r--r-- 0:0 usr/share/licenses/stepdown/copyright
drwxr-xr-x 0:0 usr/share/man/
drwxr-xr-x 0:0 usr/share/man/man1/
-rw-r--r-- 0:0 usr/share/man/man1/stepdown.1.gz
`)
	checkLicences(t, files)

	// No depend, provides, replaces, and each field in a line of its own.
	size := 0
	for _, content := range files {
		size += len(content)
	}
	synopsis, _, _ := strings.Cut(string(readFile(t, "packaging/description")), "\n")
	same(t, string(info[".PKGINFO"]), fmt.Sprintf(`pkgname = stepdown
pkgver = %s
arch = %s
size = %d
pkgdesc = %s
maintainer = stepdown maintainers <stepdown@users.noreply.github.com>
license = Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause
datahash = %x
`, version, arch, size, synopsis, sha256.Sum256(compressed)))

	for archive := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha1.Sum(files[header.Name]))
		if got := header.PAXRecords["APK-TOOLS.checksum.SHA1"]; header.Typeflag == tar.TypeReg && got != sum {
			t.Errorf("the sum of %s is %s, want %s", header.Name, got, sum)
		}
	}
	return files
}

// checkLicences requires the two files that packages other than Debian's have.
func checkLicences(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, source := range map[string]string{"LICENSE": "LICENSE", "copyright": "packaging/copyright"} {
		if !bytes.Equal(files["usr/share/licenses/stepdown/"+name], readFile(t, source)) {
			t.Errorf("%s is not %s", name, source)
		}
	}
}

// What packages cannot be made of is named, in one line, and none is made.
func TestPackagesRefused(t *testing.T) {
	dist := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"1.2.3"}, "usage: scripts/packages.sh VERSION DIST [ARCH...]"},
		{[]string{"v1.2.3", dist}, "version 'v1.2.3' is not of the form X.Y.Z"},
		{[]string{"1.2.3", dist + "/none"}, "no directory " + dist + "/none: build the binaries first, with scripts/build.sh"},
		{[]string{"1.2.3", dist, "sparc"}, "there is no architecture sparc"},
		{[]string{"1.2.3", dist}, "no " + dist + "/stepdown-amd64: build it first, with scripts/build.sh"},
	} {
		out, err := exec.Command("scripts/packages.sh", tt.args...).CombinedOutput()
		if want := "packages: " + tt.want + "\n"; err == nil || string(out) != want {
			t.Errorf("%s: %v, %q, want %q", tt.args, err, out, want)
		}
	}
}

// TestCopyright requires packaging/copyright to name each module in the binary, and
// to have the words of its licence, or that the words are those of LICENSE.
func TestCopyright(t *testing.T) {
	dist, _ := release(t)
	info, err := buildinfo.ReadFile(filepath.Join(dist, "stepdown-amd64"))
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"std": strings.TrimSpace(output(t, nil, "go", "env", "GOROOT"))}
	for _, module := range info.Deps {
		dirs[module.Path] = strings.TrimSpace(output(t, nil, "go", "list", "-m", "-f", "{{.Dir}}", module.Path))
	}
	if len(dirs) < 2 {
		t.Fatal("no module is in the binary")
	}
	copyright := string(readFile(t, "packaging/copyright"))
	known := words(strings.ReplaceAll(copyright, "\n .\n", "\n")) + words(string(readFile(t, "LICENSE")))
	for path, dir := range dirs {
		if !strings.Contains(copyright, "\nFiles: "+path+"\n") {
			t.Errorf("packaging/copyright has no paragraph for %s", path)
		}
		licence := string(readFile(t, filepath.Join(dir, "LICENSE")))
		// Before its terms are those who have the right, who have a line of their own.
		if _, terms, found := strings.Cut(licence, "\nRedistribution and use"); found {
			licence = "Redistribution and use" + terms
		}
		if !strings.Contains(known, words(licence)) {
			t.Errorf("packaging/copyright has not the terms of %s", path)
		}
	}
}

// release returns the directory and the version of the release.
func release(t *testing.T) (dist, version string) {
	t.Helper()
	dist, version = os.Getenv("DIST"), os.Getenv("VERSION")
	if dist == "" || version == "" {
		t.Fatal("DIST and VERSION are not set: run scripts/packages-check.sh VERSION DIST")
	}
	return dist, version
}

// untar returns what is in an archive, as lines in the order of the paths and as
// the contents of the files by their paths.
func untar(t *testing.T, data []byte) (listing string, files map[string][]byte) {
	t.Helper()
	var lines []string
	files = map[string][]byte{}
	for archive := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(header.Name, "./")
		lines = append(lines, fmt.Sprintf("%v %d:%d %s\n", header.FileInfo().Mode(), header.Uid, header.Gid, name))
		if header.Typeflag == tar.TypeReg {
			if files[name], err = io.ReadAll(archive); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(strings.Fields(a)[2], strings.Fields(b)[2]) })
	return strings.Join(lines, ""), files
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	stream, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// output runs a program and returns what it writes to standard output.
func output(t *testing.T, stdin []byte, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// same requires two texts to be the same.
func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// words returns a text with one space between its words.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
