// This file is the identity that a command gets: resolve a spec to it, become it,
// and verify with the kernel that the calling thread is it.
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

// groupOptions are what the options say of the supplementary groups.
type groupOptions struct {
	add  []string // these as well, by name or id
	init bool     // also with a group in the spec, those that list the user
	keep bool     // the caller's as well
}

// resolveFiles resolves by the files in /etc as they stood at one moment: where
// one of them changed while they were read, both are read again. Otherwise a user
// of the old files with the groups of the new ones, or what a line cut in two
// seems to say, would be an identity that nobody ever wrote down.
func resolveFiles(spec string, options groupOptions, caller credentials) (Identity, error) {
	const attempts = 30
	for range attempts {
		passwd, err := openDatabase(passwdPath)
		if err != nil {
			return Identity{}, err
		}
		group, err := openDatabase(groupPath)
		if err != nil {
			return Identity{}, err
		}
		id, resolveErr := resolve(spec, options, caller, passwd, group)

		// The first is looked at again after the second was opened: there was a
		// moment at which neither had changed yet.
		changed, err := passwd.changed()
		if err == nil && !changed {
			changed, err = group.changed()
		}
		if err != nil {
			return Identity{}, err
		}
		if !changed {
			return id, resolveErr
		}
		passwd.close()
		group.close()
	}
	return Identity{}, fmt.Errorf("%s or %s changed while they were read, %d times in a row: have them left alone, and try again",
		passwdPath, groupPath, attempts)
}

// resolve finds out who user[:group] is, as docker run --user does and by the
// same parser, which here sees only well-formed lines: passwd.go. What the spec
// leaves open is the caller's.
//
// Errors: a malformed spec, a name that has no entry, a malformed entry that
// the spec selects, a failed read, and a spec that would leave root as it is
// without naming a user.
func resolve(spec string, options groupOptions, caller credentials, passwd, group io.Reader) (Identity, error) {
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if strings.Contains(groupPart, ":") {
		return Identity{}, fmt.Errorf("the spec %s has more than one colon: want user[:group]", quote(spec))
	}
	if userPart == "" && caller.uid.real == 0 {
		return Identity{}, fmt.Errorf("the spec %s names no user, and the caller is root: refusing to stay root (an empty variable?): "+
			"give a user, or 0 if root is meant", quote(spec))
	}

	// The user's entry.
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

	// The groups' entries: those that are named, and those that list the user.
	named := options.add
	if groupPart != "" {
		named = append([]string{groupPart}, named...)
	}
	var wantedGroups []selector
	for _, name := range named {
		wanted, err := parseSelector("group", name)
		if err != nil {
			return Identity{}, err
		}
		wantedGroups = append(wantedGroups, wanted)
	}
	member := ""
	if groupPart == "" || options.init {
		member = entry.name
	}
	groupLines, err := selectGroups(group, wantedGroups, member)
	if err != nil {
		return Identity{}, err
	}

	// What the parser makes of them.
	defaults := user.ExecUser{Uid: caller.uid.real, Gid: caller.gid.real, Home: "/"}
	execUser := func(spec string) (*user.ExecUser, error) {
		return user.GetExecUser(spec, &defaults, strings.NewReader(entry.line()), strings.NewReader(groupLines))
	}
	found, err := execUser(spec)
	switch {
	case errors.Is(err, user.ErrNoPasswdEntries):
		return Identity{}, fmt.Errorf("user %s is not in %s: add it there, or give a uid", quote(userPart), passwdPath)
	case errors.Is(err, user.ErrNoGroupEntries):
		return Identity{}, noGroup(groupPart)
	case errors.Is(err, user.ErrRange):
		// It says so before it comes to the letter that makes it a name, on 32
		// bits sooner than on 64.
		return Identity{}, fmt.Errorf("the spec %s has a name that begins with a number out of range: give its id", quote(spec))
	case err != nil:
		return Identity{}, fmt.Errorf("resolve %s: %w", quote(spec), err)
	}

	// Docker's parser leaves it to the runtime to add the gid: CVE-2022-36109.
	groups := append([]int{found.Gid}, found.Sgids...)
	if options.init && groupPart != "" {
		withoutGroup, err := execUser(userPart)
		if err != nil {
			return Identity{}, fmt.Errorf("resolve %s: %w", quote(userPart), err)
		}
		groups = append(groups, withoutGroup.Sgids...)
	}
	for _, name := range options.add {
		gids, err := user.GetAdditionalGroups([]string{name}, strings.NewReader(groupLines))
		if err != nil {
			return Identity{}, noGroup(name)
		}
		groups = append(groups, gids...)
	}
	if options.keep {
		groups = append(groups, caller.groups...)
	}
	return Identity{
		UID: found.Uid, GID: found.Gid,
		Groups: unique(groups),
		Home:   found.Home,
		Name:   entry.name,
		Shell:  entry.shell,
	}, nil
}

// noGroup is the error for a group that has no entry and is no id.
func noGroup(name string) error {
	return fmt.Errorf("group %s is not in %s: add it there, or give a gid", quote(name), groupPath)
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

// become makes the calling thread, which has the credentials before, id with
// these privileges, and verifies with the kernel that it is.
//
// Where the ids and the groups are already those, the groups are not set, which
// would take a privilege. Each of the rest has its moment: the bounding set before
// CAP_SETPCAP is lost with uid 0, the other sets after the uid, because a change
// of that resets them.
func (id Identity) become(before credentials, p privileges) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := p.dropBounding(); err != nil {
		return err
	}
	if id.difference(before) == nil {
		if err := id.setIDs(); err != nil {
			return err
		}
	} else {
		if err := p.keep(); err != nil {
			return err
		}
		if err := id.apply(); err != nil {
			return err
		}
	}
	if err := p.apply(id.UID); err != nil {
		return err
	}

	// No call is trusted to have done what it said.
	now, err := readCredentials()
	if err != nil {
		return err
	}
	if err := id.difference(now); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return p.verify(id.UID)
}

// apply makes the calling thread id, which takes CAP_SETGID and CAP_SETUID.
//
// setresuid comes last, because leaving uid 0 takes away the privilege for the
// other two. The calls are raw ones because package syscall's would
// stop every thread of the process to make it for each; this thread is the one
// that execs, and the others end there.
func (id Identity) apply() error {
	if err := unix.Setgroups(id.Groups); err != nil {
		return explain("setgroups", id.Groups, err)
	}
	return id.setIDs()
}

// setIDs sets the gid and the uid. To what they are already it takes no
// privilege, but the kernel takes only ids that the user namespace maps: all
// others, the machine's root among them, read as 65534, which is nobody
// (user_namespaces(7)).
func (id Identity) setIDs() error {
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
