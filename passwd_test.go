package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wanted of a field that is malformed.
const (
	wantID   = ", want a number from 0 to 2147483647: correct or remove the line"
	wantName = `, want a name that does not begin with "#", "+" or "-": correct or remove the line`
)

// Each malformed line that a spec selects is an error, although a well-formed
// one for the same spec comes after it.
func TestMalformedPasswd(t *testing.T) {
	tests := []struct {
		line, spec, want string
	}{
		{"app:x:abc:1000", "app", `field 3 (uid) is "abc"` + wantID},
		{"app:x::1000", "app", `field 3 (uid) is ""` + wantID},
		{"app", "app", `field 3 (uid) is missing` + wantID},
		{"app:", "app", `field 3 (uid) is missing` + wantID},
		{"app:x", "app", `field 3 (uid) is missing` + wantID},
		{"app:x:", "app", `field 3 (uid) is ""` + wantID},
		{"app:x:0x10:1", "app", `field 3 (uid) is "0x10"` + wantID},
		{"app:x: 1000:1000", "app", `field 3 (uid) is " 1000"` + wantID},
		{"app:x:1000 :1000", "app", `field 3 (uid) is "1000 "` + wantID},
		{"app:x:4294967296:1", "app", `field 3 (uid) is "4294967296"` + wantID},
		{"app:x:4294967295:1", "app", `field 3 (uid) is "4294967295"` + wantID},
		{"app:x:2147483648:1", "app", `field 3 (uid) is "2147483648"` + wantID},
		{"app:x:18446744073709551616:1", "app", `field 3 (uid) is "18446744073709551616"` + wantID},
		{"app:x:-1:1", "app", `field 3 (uid) is "-1"` + wantID},
		{"app:x:-0:1", "app", `field 3 (uid) is "-0"` + wantID},
		{"app:x:+1000:1", "app", `field 3 (uid) is "+1000"` + wantID},
		{"app:x:7000000000A:1", "app", `field 3 (uid) is "7000000000A"` + wantID},
		{"app:x:1_000:1", "app", `field 3 (uid) is "1_000"` + wantID},
		{"app:x:1e3:1", "app", `field 3 (uid) is "1e3"` + wantID},
		{"app:x:١٠٠٠:1", "app", `field 3 (uid) is "١٠٠٠"` + wantID},
		{"app:x:1000\x00:1", "app", `field 3 (uid) is "1000\x00"` + wantID},
		{"app:x:" + strings.Repeat("9", 300) + ":1", "app", `field 3 (uid) is "` + strings.Repeat("9", 200) + `"...` + wantID},

		{"app:x:1000", "app", `field 4 (gid) is missing` + wantID},
		{"app:x:1000:", "app", `field 4 (gid) is ""` + wantID},
		{"app:x:1000:abc", "app", `field 4 (gid) is "abc"` + wantID},
		{"app:x:1000:4294967296", "app", `field 4 (gid) is "4294967296"` + wantID},
		{"app:x:1000:", "1000", `field 4 (gid) is ""` + wantID},
		{"app:x:1000:abc", "app:5", `field 4 (gid) is "abc"` + wantID},

		{":x:1000:1000", "1000", `field 1 (name) is ""` + wantName},
		{"#app:x:1000:1000", "1000", `field 1 (name) is "#app"` + wantName},
		{"+app:x:1000:1000", "1000", `field 1 (name) is "+app"` + wantName},
		{"-app:x:1000:1000", "1000", `field 1 (name) is "-app"` + wantName},
		{"+:x:1000:1000", "1000", `field 1 (name) is "+"` + wantName},

		{"app:x:1000:1000::\x00:/bin/sh", "app", `field 6 (home) is "\x00", want a path of less than 4096 bytes without NUL: correct or remove the line`},
		{"app:x:1000:1000::/a\x00b:/bin/sh", "app", `field 6 (home) is "/a\x00b", want a path of less than 4096 bytes without NUL: correct or remove the line`},
		{
			"app:x:1000:1000::/" + strings.Repeat("a", 4095) + ":/bin/sh", "app",
			`field 6 (home) is "/` + strings.Repeat("a", 199) + `"..., want a path of less than 4096 bytes without NUL: correct or remove the line`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.line[:min(len(tt.line), 30)], func(t *testing.T) {
			passwd := "root:x:0:0::/root:/bin/sh\n\n" + tt.line + "\napp:x:1000:1000::/app:/bin/sh\n"
			got, err := resolve(tt.spec, groupOptions{}, root, strings.NewReader(passwd), strings.NewReader(""))
			checkError(t, got, err, "/etc/passwd line 3: "+tt.want)
		})
	}
}

func TestMalformedGroup(t *testing.T) {
	tests := []struct {
		line, spec, want string
	}{
		// The group of the spec.
		{"video", "app:video", `field 3 (gid) is missing` + wantID},
		{"video:x", "app:video", `field 3 (gid) is missing` + wantID},
		{"video:x::", "app:video", `field 3 (gid) is ""` + wantID},
		{"video:x:abc:", "app:video", `field 3 (gid) is "abc"` + wantID},
		{"video:x:4294967296:", "app:video", `field 3 (gid) is "4294967296"` + wantID},
		{"video:x: 44:", "app:video", `field 3 (gid) is " 44"` + wantID},
		{":x:44:", "app:44", `field 1 (name) is ""` + wantName},
		{"#video:x:44:", "app:44", `field 1 (name) is "#video"` + wantName},

		// A group that lists the user of the spec.
		{"video:x::app", "app", `field 3 (gid) is ""` + wantID},
		{"video:x:abc:root,app", "app", `field 3 (gid) is "abc"` + wantID},
		{"video:x:4294967296:app", "app", `field 3 (gid) is "4294967296"` + wantID},
		{"video:x:4294967296:app", "1000", `field 3 (gid) is "4294967296"` + wantID},
		{"video:x:-1:app", "app:", `field 3 (gid) is "-1"` + wantID},
		{":x:44:app", "app", `field 1 (name) is ""` + wantName},
		{"#video:x:44:app", "app", `field 1 (name) is "#video"` + wantName},
		{"+video:x:44:app", "app", `field 1 (name) is "+video"` + wantName},
		{"-video:x:44:app", "app", `field 1 (name) is "-video"` + wantName},
		{"+:::app", "app", `field 1 (name) is "+"` + wantName},
	}
	for _, tt := range tests {
		t.Run(tt.line[:min(len(tt.line), 30)], func(t *testing.T) {
			group := "root:x:0:\n\n" + tt.line + "\nvideo:x:44:app\n"
			got, err := resolve(tt.spec, groupOptions{}, root, strings.NewReader("app:x:1000:1000::/app:/bin/sh"), strings.NewReader(group))
			checkError(t, got, err, "/etc/group line 3: "+tt.want)
		})
	}
}

// Malformed lines that the spec does not select are as if they were not there,
// whatever Docker's parser would make of them by itself.
func TestMalformedElsewhere(t *testing.T) {
	const (
		passwd = "app:x:abc:1000\n:x::\n+::::::\n# a comment\n#x:y\nroot\nx:x:0x0:0\n" +
			"real:x:1000:1000::/real:/bin/sh\napp:x:4294967296:0\nroot2:x:0:0::/root:/bin/sh\n"
		group = "g:x:abc:other\n:x::\n+:::\n# a comment: with: colons:\nvideo\nsame:x:44:real\n"
	)
	for spec, want := range map[string]Identity{
		"real":      {1000, 1000, []int{1000, 44}, "/real", "real", "/bin/sh"},
		"1000":      {1000, 1000, []int{1000, 44}, "/real", "real", "/bin/sh"},
		"real:same": {1000, 44, []int{44}, "/real", "real", "/bin/sh"},
		"real:0":    {1000, 0, []int{0}, "/real", "real", "/bin/sh"},
		"0":         {0, 0, []int{0}, "/root", "root2", "/bin/sh"},
		"5:5":       {5, 5, []int{5}, "/", "", ""},
	} {
		got, err := resolve(spec, groupOptions{}, root, strings.NewReader(passwd), strings.NewReader(group))
		checkIdentity(t, spec, got, err, want)
	}
}

// An entry is found, and its line number told, wherever it lies to the ends of the
// blocks in which a file is read.
func TestEntryAcrossBlocks(t *testing.T) {
	const (
		block  = 64 << 10
		filler = "other:x:1:1::/:\n"
	)
	for _, end := range []string{"\n", ""} {
		for at := block - 40; at <= block+40; at++ {
			lines := at/len(filler) - 1
			before := strings.Repeat(filler, lines) + strings.Repeat("#", at-lines*len(filler)-1) + "\n"
			passwd := before + "app:x:1000:1000::/app:/bin/sh" + end
			got, err := resolve("app", groupOptions{}, root, strings.NewReader(passwd), strings.NewReader(""))
			checkIdentity(t, fmt.Sprint("at ", at), got, err, Identity{1000, 1000, []int{1000}, "/app", "app", "/bin/sh"})

			malformed := before + "app:x:x:1000::/app:/bin/sh" + end
			got, err = resolve("app", groupOptions{}, root, strings.NewReader(malformed), strings.NewReader(""))
			checkError(t, got, err, fmt.Sprintf(`/etc/passwd line %d: field 3 (uid) is "x"`, lines+2)+wantID)
		}
	}
}

// An id at the very end of a file, without a newline behind it, may be the
// beginning of another one. Where the line goes on behind the id, it is none.
func TestCutShort(t *testing.T) {
	const (
		passwd = "app:x:1000:1000\n"
		want   = ", want a newline or a colon behind it, because the file ends there, and the number may be cut short: correct or remove the line"
	)
	refused := []struct{ passwd, group, spec, want string }{
		{"cut:x:1001:10", "", "cut", `/etc/passwd line 1: field 4 (gid) is "10"`},
		{"cut:x:1001:10", "", "1001:5", `/etc/passwd line 1: field 4 (gid) is "10"`},
		{passwd + "cut:x:10", "", "cut", `/etc/passwd line 2: field 3 (uid) is "10"`},
		{passwd + "cut:x:10", "", "10", `/etc/passwd line 2: field 3 (uid) is "10"`},
		{passwd, "cut:x:10", "app:cut", `/etc/group line 1: field 3 (gid) is "10"`},
		{passwd, "app:x:1000:\ncut:x:10", "app:10", `/etc/group line 2: field 3 (gid) is "10"`},
	}
	for _, tt := range refused {
		t.Run(tt.spec, func(t *testing.T) {
			got, err := resolve(tt.spec, groupOptions{}, root, strings.NewReader(tt.passwd), strings.NewReader(tt.group))
			checkError(t, got, err, tt.want+want)
		})
	}

	whole := []struct {
		passwd, group, spec string
		want                Identity
	}{
		{"app:x:1000:1000\n", "", "app", Identity{1000, 1000, []int{1000}, "", "app", ""}},
		{"app:x:1000:1000\r\n", "", "app", Identity{1000, 1000, []int{1000}, "", "app", ""}},
		{"app:x:1000:1000:", "", "app", Identity{1000, 1000, []int{1000}, "", "app", ""}},
		{"app:x:1000:1000::/app:/bin/sh", "", "app", Identity{1000, 1000, []int{1000}, "/app", "app", "/bin/sh"}},
		{passwd, "video:x:44:", "app:video", Identity{1000, 44, []int{44}, "", "app", ""}},
		{passwd, "video:x:44:app", "app", Identity{1000, 1000, []int{1000, 44}, "", "app", ""}},
		{passwd + "cut:x:10", "cut:x:10", "app", Identity{1000, 1000, []int{1000}, "", "app", ""}},
	}
	for _, tt := range whole {
		got, err := resolve(tt.spec, groupOptions{}, root, strings.NewReader(tt.passwd), strings.NewReader(tt.group))
		checkIdentity(t, tt.spec, got, err, tt.want)
	}
}

// Each of these by itself says that a file is not what was opened: another one may
// have the same time of change, or the same size.
func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, []byte("app:x:1000:1000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(d *database)
		want   bool
	}{
		{"nothing", func(*database) {}, false},
		{"device", func(d *database) { d.status.Dev++ }, true},
		{"inode", func(d *database) { d.status.Ino++ }, true},
		{"size", func(d *database) { d.status.Size++ }, true},
		{"time", func(d *database) { d.status.Ctim.Nsec ^= 1 }, true},
		{"access", func(d *database) { d.status.Atim.Nsec ^= 1 }, false},
		{"appeared", func(d *database) { *d = database{fd: -1, path: path} }, true},
		{"removed", func(d *database) { d.path += "x" }, true},
		{"missing all along", func(d *database) { *d = database{fd: -1, path: path + "x"} }, false},
	} {
		d, err := openDatabase(path)
		if err != nil {
			t.Fatal(err)
		}
		d.close()
		tt.change(&d)
		if got, err := d.changed(); err != nil || got != tt.want {
			t.Errorf("%s: changed %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}

	below := database{path: path + "/below"}
	if _, err := below.changed(); err == nil || err.Error() != "stat "+path+"/below: not a directory" {
		t.Errorf("below a file: %v", err)
	}
}
