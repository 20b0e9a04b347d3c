package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConversions runs each line of the README's table of commands of other
// tools with stepdown's in their place, and compares what the kernel says of the
// two. Where the table says that the gid is added, the groups must differ in just
// that. su-exec is in no Debian.
func TestConversions(t *testing.T) {
	needRoot(t)
	t.Setenv("WORK", workDir(t, map[string]string{
		"passwd":        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
		"group":         "root:x:0:\nvideo:x:44:app\ndocker:x:998:root,app\napp:x:1000:\n",
		"pam.d/runuser": "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
	}))
	t.Setenv("PATH", strings.Join([]string{
		debianPackage(t, "gosu", "usr/sbin"), // before the gosu that is a link to stepdown
		debianPackage(t, "runit", "usr/bin"),
		installed(t), helpersDir(t),
		"/usr/sbin:/usr/bin:/sbin:/bin",
	}, ":"))

	status := func(command string) map[string]string {
		t.Helper()
		command = strings.Replace(command, "CMD", "cat /proc/self/status", 1)
		cmd := exec.Command("sandbox", append([]string{"setpriv", "--groups=0,4"}, strings.Fields(command)...)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		fields := make(map[string]string)
		for _, line := range strings.Split(string(out), "\n") {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.TrimSpace(value)
		}
		return fields
	}

	tools := make(map[string]int)
	for _, row := range conversions(t) {
		tool, _, _ := strings.Cut(row.theirs, " ")
		tools[tool]++
		if tool == "su-exec" {
			continue
		}
		theirs, ours := status(row.theirs), status(row.ours)
		if row.addsGID {
			gid := strings.Fields(theirs["Gid"])[0]
			groups := strings.Fields(theirs["Groups"])
			if slices.Contains(groups, gid) {
				t.Errorf("%s: has the gid %s in its groups %s, and need not be said to lack it", row.theirs, gid, groups)
			}
			theirs["Groups"] = strings.Join(append(groups, gid), " ")
		}
		for _, field := range []string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"} {
			if theirs[field] == "" && field != "Groups" || theirs[field] != ours[field] {
				t.Errorf("%s: %s\n%s is %q, stepdown's %q", row.theirs, row.ours, field, theirs[field], ours[field])
			}
		}
	}
	for _, tool := range []string{"gosu", "su-exec", "setpriv", "chpst", "runuser"} {
		if tools[tool] == 0 {
			t.Errorf("no line for %s in the table", tool)
		}
	}
}

// A conversion is a line of the table in the README.
type conversion struct {
	theirs, ours string
	addsGID      bool
}

func conversions(t *testing.T) []conversion {
	t.Helper()
	var rows []conversion
	for _, line := range strings.Split(readmeSection(t, "From other tools"), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		rows = append(rows, conversion{
			theirs:  strings.Trim(cells[0], "|` "),
			ours:    strings.Trim(cells[1], "` "),
			addsGID: strings.Contains(cells[2], "gid"),
		})
	}
	if len(rows) < 5 {
		t.Fatalf("%d lines in the table", len(rows))
	}
	return rows
}

// debianPackage returns the directory dir of a Debian package, without installing
// it. A machine that has no package lists yet gets them.
func debianPackage(t *testing.T, name, dir string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", `
		apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }
		dpkg-deb --extract "$1"_*.deb .`, "sh", name)
	cmd.Dir = publicDir(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fetch Debian's package %s: %v\n%s", name, err, out)
	}
	return filepath.Join(cmd.Dir, dir)
}
