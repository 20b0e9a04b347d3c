// This file is the identity that a command gets: resolve a spec to it, apply
// it to the calling thread, and verify with the kernel that the thread has it.
package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// An Identity is who a command runs as.
type Identity struct {
	UID, GID int    // real, effective and saved alike
	Groups   []int  // the supplementary groups, GID first, each once
	Home     string // becomes HOME
	Name     string // the passwd entry's; empty where there is no entry
	Shell    string // the passwd entry's
}

// resolveFiles resolves by the files in /etc.
func resolveFiles(spec string, caller credentials) (Identity, error) {
	passwd, err := openDatabase(passwdPath)
	if err != nil {
		return Identity{}, err
	}
	group, err := openDatabase(groupPath)
	if err != nil {
		return Identity{}, err
	}
	return resolve(spec, caller, passwd, group)
}

// resolve finds out who user[:group] is, as docker run --user does and by the
// same parser, which here sees only well-formed lines: passwd.go. What the spec
// leaves open is the caller's.
//
// Errors: a malformed spec, a name that has no entry, a malformed entry that
// the spec selects, a failed read, and a spec that would leave root as it is
// without naming a user.
func resolve(spec string, caller credentials, passwd, group io.Reader) (Identity, error) {
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if strings.Contains(groupPart, ":") {
		return Identity{}, fmt.Errorf("the spec %s has more than one colon: want user[:group]", quote(spec))
	}

	if userPart == "" && caller.uid.real == 0 {
		return Identity{}, fmt.Errorf("the spec %s names no user, and the caller is root: refusing to stay root (an empty variable?): "+
			"give a user, or 0 if root is meant", quote(spec))
	}

	wantedUser := selector{byID: true, id: caller.uid.real}
	if userPart != "" {
		var err error
		if wantedUser, err = parseSelector("user", userPart); err != nil {
			return Identity{}, err
		}
	}
	entry, err := selectUser(passwd, wantedUser)
	if err != nil {
		return Identity{}, err
	}

	var id Identity
	var passwdLine, groupLines string
	if entry != nil {
		id.Name, id.Shell, passwdLine = entry.name, entry.shell, entry.line()
	}
	switch {
	case groupPart != "":
		wanted, err := parseSelector("group", groupPart)
		if err != nil {
			return Identity{}, err
		}
		if groupLines, err = selectGroup(group, wanted); err != nil {
			return Identity{}, err
		}
	case entry != nil:
		if groupLines, err = selectGroupsOf(group, entry.name); err != nil {
			return Identity{}, err
		}
	}

	defaults := user.ExecUser{Uid: caller.uid.real, Gid: caller.gid.real, Home: "/"}
	found, err := user.GetExecUser(spec, &defaults, strings.NewReader(passwdLine), strings.NewReader(groupLines))
	switch {
	case errors.Is(err, user.ErrNoPasswdEntries):
		return Identity{}, fmt.Errorf("user %s is not in %s: add it there, or give a uid", quote(userPart), passwdPath)
	case errors.Is(err, user.ErrNoGroupEntries):
		return Identity{}, fmt.Errorf("group %s is not in %s: add it there, or give a gid", quote(groupPart), groupPath)
	case err != nil:
		return Identity{}, fmt.Errorf("resolve %s: %w", quote(spec), err)
	}
	id.UID, id.GID, id.Home = found.Uid, found.Gid, found.Home
	// Docker's parser leaves it to the runtime to add the gid: CVE-2022-36109.
	id.Groups = unique(append([]int{found.Gid}, found.Sgids...))
	return id, nil
}

// unique returns ids in the same order, each once.
func unique(ids []int) []int {
	seen := make(map[int]bool, len(ids))
	return slices.DeleteFunc(ids, func(id int) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

// apply makes the calling thread id, which takes CAP_SETGID and CAP_SETUID.
//
// The order is the only one that works: leaving uid 0 takes away the privilege
// for the other two. The calls are raw ones because package syscall's would
// stop every thread of the process to make it for each; this thread is the one
// that execs, and the others end there.
func (id Identity) apply() error {
	if err := unix.Setgroups(id.Groups); err != nil {
		return explain("setgroups", id.Groups, err)
	}
	if err := setAll(sysSetresgid, id.GID); err != nil {
		return explain("setresgid", []int{id.GID}, err)
	}
	if err := setAll(sysSetresuid, id.UID); err != nil {
		return explain("setresuid", []int{id.UID}, err)
	}
	return nil
}

// setAll makes call, which is setresuid or setresgid, with id as the real,
// effective and saved id.
func setAll(call uintptr, id int) error {
	if _, _, errno := unix.RawSyscall(call, uintptr(id), uintptr(id), uintptr(id)); errno != 0 {
		return errno
	}
	return nil
}

// verify fails unless the calling thread is id, and, except for root, without
// any capability. It trusts no earlier call to have done what it said.
func (id Identity) verify() error {
	now, err := readCredentials()
	if err != nil {
		return err
	}
	if err := id.difference(now); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if id.UID == 0 {
		return nil
	}
	return verifyNoCapabilities()
}

// credentials are a thread's: credentials(7). The file system ids are not
// among them because the kernel keeps them equal to the effective ones.
type credentials struct {
	uid, gid ids
	groups   []int // the supplementary groups, in no order
}

// ids are the three ids that a thread has of each kind.
type ids struct{ real, effective, saved int }

// readCredentials reads those of the calling thread.
func readCredentials() (credentials, error) {
	uid, err := readAll(sysGetresuid)
	if err != nil {
		return credentials{}, fmt.Errorf("read uids: getresuid: %w", err)
	}
	gid, err := readAll(sysGetresgid)
	if err != nil {
		return credentials{}, fmt.Errorf("read gids: getresgid: %w", err)
	}
	groups, err := unix.Getgroups()
	if err != nil {
		return credentials{}, fmt.Errorf("read supplementary groups: getgroups: %w", err)
	}
	return credentials{uid: uid, gid: gid, groups: groups}, nil
}

// readAll makes call, which is getresuid or getresgid. Package unix has them
// too, but with 16-bit ids on some architectures, and without an error.
func readAll(call uintptr) (ids, error) {
	var id [3]uint32
	_, _, errno := unix.RawSyscall(call,
		uintptr(unsafe.Pointer(&id[0])), uintptr(unsafe.Pointer(&id[1])), uintptr(unsafe.Pointer(&id[2])))
	if errno != 0 {
		return ids{}, errno
	}
	return ids{int(id[0]), int(id[1]), int(id[2])}, nil
}

// difference says in what c is not id, and is nil where it is.
func (id Identity) difference(c credentials) error {
	if want := (ids{id.UID, id.UID, id.UID}); c.uid != want {
		return fmt.Errorf("the real, effective and saved uid are %d, want %d", c.uid, want)
	}
	if want := (ids{id.GID, id.GID, id.GID}); c.gid != want {
		return fmt.Errorf("the real, effective and saved gid are %d, want %d", c.gid, want)
	}
	have, want := slices.Sorted(slices.Values(c.groups)), slices.Sorted(slices.Values(id.Groups))
	if have = slices.Compact(have); !slices.Equal(have, want) {
		return fmt.Errorf("the supplementary groups are %d, want %d", have, want)
	}
	return nil
}
