// This file shows with the real kernel why apply makes its three calls in the
// order in which it does, that none of them can be missing unnoticed, and that no
// step of become goes on where a call failed.
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

// onThread calls do on a thread of its own, which ends with it, and may do to its
// credentials, capabilities and filters what it likes.
func onThread(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- do()
	}()
	return <-done
}

// asRoot makes these calls on a thread that begins as root in the groups 0, 4
// and 27, and returns which failed with EPERM, and who the thread is at last.
func asRoot(t *testing.T, id Identity, calls []string) (denied []string, now credentials) {
	t.Helper()
	err := onThread(func() error {
		if err := unix.Setgroups(root.groups); err != nil {
			return err
		}
		for _, call := range calls {
			err := setCalls[call](id)
			if err == unix.EPERM {
				denied = append(denied, call)
			} else if err != nil {
				return err
			}
		}
		var err error
		now, err = readCredentials()
		return err
	})
	if err != nil {
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

// Where a step makes a call that fails, it says so, and become ends there. The
// scripts cannot bring this about for a call that a run makes more than once.
func TestEachFailureEnds(t *testing.T) {
	needRoot(t)
	app := Identity{UID: 1000, GID: 1000, Groups: []int{1000, 44}}
	all := privileges{add: 1 << unix.CAP_KILL, dropAll: true, noNewPrivs: true}
	become := func(before credentials) error { return app.become(before, all) }
	const denied = ": operation not permitted"
	for _, tt := range []struct {
		step string
		do   func(before credentials) error
		call string
		want string
	}{
		{"become", become, "capget", "read capabilities: capget" + denied},
		{"become", become, "PR_CAPBSET_READ", "read the bounding set: prctl" + denied},
		{"become", become, "getresuid", "read uids: getresuid" + denied},
		{"become", become, "getresgid", "read gids: getresgid" + denied},
		{"become", become, "getgroups", "read supplementary groups: getgroups" + denied},
		{"become", become, "PR_GET_NO_NEW_PRIVS", "read no_new_privs: prctl" + denied},
		{"check", func(credentials) error { return all.check() }, "capget", "read capabilities: capget" + denied},
		{"dropBounding", func(credentials) error { return all.dropBounding() }, "PR_CAPBSET_READ", "read the bounding set: prctl" + denied},
		{"keep", func(credentials) error { return all.keep() }, "PR_SET_KEEPCAPS", "keep KILL over the change of uid: " +
			"prctl(PR_SET_KEEPCAPS)" + denied + " (securebits that are locked?)"},
		{"set", func(credentials) error { return app.apply() }, "setresgid", "setresgid 1000: not permitted although CAP_SETGID is held: " +
			"a seccomp filter, a security module or the user namespace denies it"},
		{"apply", func(credentials) error { return all.apply(1000) }, "capget", "read capabilities: capget" + denied},
		{"apply", func(credentials) error { return all.apply(1000) }, "capset", "set capabilities: capset" + denied},
		{"apply", func(credentials) error { return all.apply(1000) }, "PR_CAP_AMBIENT", "make KILL ambient: prctl(PR_CAP_AMBIENT_RAISE)" + denied + " (securebits?)"},
		{"apply", func(credentials) error { return all.apply(1000) }, "PR_SET_NO_NEW_PRIVS", "set no_new_privs: prctl" + denied},
		{"verify", func(credentials) error { return all.verify(0) }, "capget", "read capabilities: capget" + denied},
		{"verify", func(credentials) error { return privileges{dropAll: true}.verify(0) }, "PR_CAPBSET_READ", "read the bounding set: prctl" + denied},
	} {
		err := onThread(func() error {
			before, err := readCredentials()
			if err != nil {
				return err
			}
			install(filterFor(tt.call, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)), 0)
			return tt.do(before)
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s without %s: got  %v\nwant %s", tt.step, tt.call, err, tt.want)
		}
	}
}
