// This file shows with the real kernel why apply makes its three calls in the
// order in which it does, and that none of them can be missing unnoticed.
package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// setCalls are those of apply.
var setCalls = map[string]func(Identity) error{
	"setgroups": func(id Identity) error { return unix.Setgroups(id.Groups) },
	"setresgid": func(id Identity) error { return setAll(sysSetresgid, id.GID) },
	"setresuid": func(id Identity) error { return setAll(sysSetresuid, id.UID) },
}

// asRoot makes these calls on a thread that begins as root in the groups 0, 4
// and 27, and returns which failed with EPERM, and who the thread is at last.
func asRoot(t *testing.T, id Identity, calls []string) (denied []string, now credentials) {
	t.Helper()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Setgroups(root.groups)
		for _, call := range calls {
			if err != nil {
				break
			}
			if err = setCalls[call](id); err == unix.EPERM {
				denied, err = append(denied, call), nil
			}
		}
		if err == nil {
			now, err = readCredentials()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	slices.Sort(now.groups)
	return denied, now
}

// The order of the calls decides: with setresuid goes the privilege for the
// other two. Two of the six orders end as the identity, the others with gid 0 or
// with root's groups, and only the calls themselves would tell.
func TestOrder(t *testing.T) {
	needRoot(t)
	app := Identity{UID: 1000, GID: 1000, Groups: []int{1000, 44}}
	var (
		appUID, appGID = ids{1000, 1000, 1000}, ids{1000, 1000, 1000}
		appGroups      = []int{44, 1000}
		rootGID        = ids{0, 0, 0}
		rootGroups     = []int{0, 4, 27}
	)
	for _, tt := range []struct {
		order, denied string
		left          credentials
	}{
		{"setgroups setresgid setresuid", "", credentials{appUID, appGID, appGroups}},
		{"setresgid setgroups setresuid", "", credentials{appUID, appGID, appGroups}},
		{"setgroups setresuid setresgid", "setresgid", credentials{appUID, rootGID, appGroups}},
		{"setresgid setresuid setgroups", "setgroups", credentials{appUID, appGID, rootGroups}},
		{"setresuid setgroups setresgid", "setgroups setresgid", credentials{appUID, rootGID, rootGroups}},
		{"setresuid setresgid setgroups", "setresgid setgroups", credentials{appUID, rootGID, rootGroups}},
	} {
		denied, left := asRoot(t, app, strings.Fields(tt.order))
		if got := strings.Join(denied, " "); got != tt.denied {
			t.Errorf("%s: denied %q, want %q", tt.order, got, tt.denied)
		}
		if !reflect.DeepEqual(left, tt.left) {
			t.Errorf("%s: left %+v, want %+v", tt.order, left, tt.left)
		}
		if isApp := app.difference(left) == nil; isApp != (tt.denied == "") {
			t.Errorf("%s: denied %q, and the difference to what is wanted is %v", tt.order, tt.denied, app.difference(left))
		}
	}
}

// Whichever of the three calls are not made although the kernel says so, singly,
// in pairs or all, it is found out and nothing is run.
func TestEachAbsenceIsFound(t *testing.T) {
	needRoot(t)
	needNamespaces(t)
	work := workDir(t, map[string]string{"passwd": "app:x:1000:1000::/:/bin/sh\n", "group": "video:x:44:app\n"})
	stepdown := filepath.Join(installed(t), "stepdown")
	const (
		uid    = "stepdown: verify: the real, effective and saved uid are {0 0 0}, want {1000 1000 1000}\n"
		gid    = "stepdown: verify: the real, effective and saved gid are {0 0 0}, want {1000 1000 1000}\n"
		groups = "stepdown: verify: the supplementary groups are [0 4 27], want [44 1000]\n"
	)
	for _, tt := range []struct{ absent, stderr string }{
		{"", ""},
		{"setgroups", groups},
		{"setresgid", gid},
		{"setresuid", uid},
		{"setgroups setresgid", gid},
		{"setgroups setresuid", uid},
		{"setresgid setresuid", uid},
		{"setgroups setresgid setresuid", uid},
	} {
		command := []string{"setpriv", "--groups=0,4,27"}
		for _, call := range strings.Fields(tt.absent) {
			command = append(command, "pretend", call)
		}
		cmd := exec.Command("sandbox", append(command, stepdown, "app", "echo", "ran")...)
		cmd.Env = append(cmd.Environ(), "WORK="+work)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(cmd.ProcessState.ExitCode(), " ", stdout.String(), stderr.String())
		want := fmt.Sprint(exitFailed, " ", tt.stderr)
		if tt.absent == "" {
			want = "0 ran\n"
		}
		if got != want {
			t.Errorf("without %q: got  %q\nwant %q", tt.absent, got, want)
		}
	}
}
