// This file says why the kernel refused to set an id: "operation not permitted"
// and "invalid argument" by themselves send people looking in the wrong place.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// maxGroups is how many supplementary groups the kernel takes: NGROUPS_MAX of
// include/uapi/linux/limits.h.
const maxGroups = 65536

// explain is the error for the set call of that name that failed for these ids.
func explain(call string, ids []int, err error) error {
	kind, capability, bit := "gid", "SETGID", unix.CAP_SETGID
	if call == "setresuid" {
		kind, capability, bit = "uid", "SETUID", unix.CAP_SETUID
	}
	attempt := call + " " + strings.Trim(fmt.Sprint(ids[:min(len(ids), 10)]), "[]")
	if len(ids) > 10 {
		attempt += fmt.Sprintf(" and %d more", len(ids)-10)
	}
	switch {
	case len(ids) > maxGroups:
		return fmt.Errorf("%s: %d groups are more than the kernel takes, %d", call, len(ids), maxGroups)
	case err == unix.EPERM && call == "setgroups" && setgroupsDenied():
		return fmt.Errorf("%s: this user namespace denies setgroups (/proc/self/setgroups): "+
			"have its gids mapped by newgidmap, from /etc/subgid", attempt)
	case err == unix.EPERM:
		return fmt.Errorf("%s: %w", attempt, explainEPERM(capability, bit, ", or as the very user and groups that are asked for here"))
	case err == unix.EINVAL:
		return fmt.Errorf("%s: %w", attempt, explainEINVAL(kind, ids))
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// setgroupsDenied tells whether the user namespace has setgroups switched off,
// which no capability in it can change: user_namespaces(7).
func setgroupsDenied() bool {
	file, err := openDatabase("/proc/self/setgroups")
	if err != nil {
		return false
	}
	state, err := io.ReadAll(file)
	return err == nil && strings.TrimSpace(string(state)) == "deny"
}

// explainEPERM says what is missing for a call that takes the capability with
// this name and number. What else than starting the container with it would do
// is the end of the line.
func explainEPERM(name string, number int, otherwise string) error {
	held, err := readCapabilities()
	switch uid := os.Geteuid(); {
	case err != nil || held.effective.has(number):
		return fmt.Errorf("not permitted although CAP_%s is held: a seccomp filter, a security module or the user namespace denies it", name)
	case uid != 0:
		return fmt.Errorf("the container lacks CAP_%s because it was started as uid %d: start it as root%s", name, uid, otherwise)
	}
	return fmt.Errorf("the container lacks CAP_%s because it was started with it dropped: "+
		"start it with that (docker run --cap-add %[1]s)%s", name, otherwise)
}

// explainEINVAL names the first of the ids that the user namespace does not
// map; without /proc, which tells what it maps, all of them.
func explainEINVAL(kind string, ids []int) error {
	ranges := mapped(kind)
	for _, id := range ids {
		isMapped := slices.ContainsFunc(ranges, func(r user.IDMap) bool {
			return r.ID <= int64(id) && int64(id) < r.ID+r.Count
		})
		if len(ranges) > 0 && !isMapped || len(ids) == 1 {
			return fmt.Errorf("%s %d is not mapped in this user namespace: map it, or take one that is", kind, id)
		}
	}
	return fmt.Errorf("one of these %ss is not mapped in this user namespace: map it, or take one that is", kind)
}

// mapped returns the ranges of ids, of uids or gids, that the user namespace maps;
// none where that cannot be read.
func mapped(kind string) []user.IDMap {
	file, err := openDatabase("/proc/self/" + kind + "_map")
	if err != nil {
		return nil
	}
	ranges, err := user.ParseIDMap(file)
	if err != nil {
		return nil
	}
	return ranges
}
