// This file is the capability sets of the calling thread and no_new_privs: read
// them, reduce them to what was asked for, and verify it.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// A capSet is a set of capabilities: bit n is the one with number n.
type capSet uint64

// has tells whether capability number is in the set.
func (s capSet) has(number int) bool { return s>>number&1 != 0 }

// each yields the numbers in the set, for range.
func (s capSet) each(yield func(number int) bool) {
	for number := range 64 {
		if s.has(number) && !yield(number) {
			return
		}
	}
}

// String is the names as Docker writes them, separated by commas.
func (s capSet) String() string {
	if s == 0 {
		return "none"
	}
	var names []string
	for number := range s.each {
		names = append(names, capabilityName(capability.Cap(number)))
	}
	return strings.Join(names, ",")
}

func capabilityName(c capability.Cap) string { return strings.ToUpper(c.String()) }

// parseCapability reads a name as docker run takes it: with or without CAP_, in
// any case.
func parseCapability(text string) (capSet, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "CAP_")
	var known []string
	for _, c := range capability.ListKnown() {
		if capabilityName(c) == name {
			return 1 << c, nil
		}
		known = append(known, capabilityName(c))
	}
	return 0, fmt.Errorf("unknown capability %s: the nearest is %s", quote(text), nearest(name, known))
}

// privileges are what the options ask for beyond the ids.
type privileges struct {
	add        capSet // the command holds them, also as a non-root user
	drop       capSet // it cannot come to hold them
	dropAll    bool   // it cannot come to hold any but add
	noNewPrivs bool   // no program file gives it more than it has
}

// dropped is what the command must not be able to come to hold. With dropAll it
// has every number, also those that have no name here or are not in use yet.
func (p privileges) dropped() capSet {
	if p.dropAll {
		return ^p.add
	}
	return p.drop
}

// capabilities are the sets of a thread that an exec may hand on: capabilities(7).
type capabilities struct {
	permitted, effective, inheritable, ambient capSet
}

// wanted is what a thread of this uid that holds these is to hold: add alone, or
// for root what it has, with and without the options' capabilities. An exec by
// root makes the permitted set anew, of the bounding and the inheritable one.
func (p privileges) wanted(uid int, held capabilities) capabilities {
	if uid != 0 {
		return capabilities{p.add, p.add, p.add, p.add}
	}
	return capabilities{
		permitted:   held.permitted,
		effective:   held.effective,
		inheritable: held.inheritable&^p.dropped() | p.add,
		ambient:     held.ambient&^p.dropped() | p.add,
	}
}

// check fails where the calling thread does not have what is to be added.
func (p privileges) check() error {
	if p.add == 0 {
		return nil
	}
	held, err := readCapabilities()
	if err != nil {
		return err
	}
	lacking := p.add &^ held.permitted
	switch uid := os.Geteuid(); {
	case lacking == 0:
		return nil
	case uid != 0:
		return fmt.Errorf("add %s: uid %d does not hold it: start the container as root", lacking, uid)
	}
	return fmt.Errorf("add %s: the container does not have it: start it with that (docker run --cap-add)", lacking)
}

// dropBounding takes what is to be dropped out of the bounding set, which needs
// CAP_SETPCAP unless it is in there no more.
func (p privileges) dropBounding() error {
	if p.dropped() == 0 {
		return nil
	}
	bounding, err := readBounding()
	if err != nil {
		return err
	}
	for number := range (bounding & p.dropped()).each {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(number), 0, 0, 0)
		if err == unix.EPERM {
			err = explainEPERM("SETPCAP", unix.CAP_SETPCAP, ", or without the capabilities that are to be dropped")
		}
		if err != nil {
			return fmt.Errorf("drop %s from the bounding set: %w", capSet(1)<<number, err)
		}
	}
	return nil
}

// keep has the permitted set stay over the change from uid 0 to another, for
// what is to be added. The exec ends that.
func (p privileges) keep() error {
	if p.add == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep %s over the change of uid: prctl(PR_SET_KEEPCAPS): %w (securebits that are locked?)", p.add, err)
	}
	return nil
}

// apply gives the calling thread, which has this uid by now, the capabilities
// that it is to hold, and sets no_new_privs where asked. It needs no privilege:
// what is held can only become less.
//
// Leaving uid 0 empties all but the inheritable set by itself, unless the
// caller's securebits prevent it (SECBIT_NO_SETUID_FIXUP). Inheritable ones
// would come back with the next program file that has them: CVE-2022-24769.
func (p privileges) apply(uid int) error {
	held, err := readCapabilities()
	if err != nil {
		return err
	}
	if want := p.wanted(uid, held); held != want {
		// This empties the ambient set of all that is not in both the
		// permitted and the inheritable set.
		if err := setCapabilities(want); err != nil {
			return err
		}
		for number := range want.ambient.each {
			err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(number), 0, 0)
			if err != nil {
				return fmt.Errorf("make %s ambient: prctl(PR_CAP_AMBIENT_RAISE): %w (securebits?)", capSet(1)<<number, err)
			}
		}
	}
	if p.noNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: prctl: %w", err)
		}
	}
	return nil
}

// verify fails unless the calling thread, which has this uid, holds what it is to
// hold, and cannot get what it is not to get.
func (p privileges) verify(uid int) error {
	held, err := readCapabilities()
	if err != nil {
		return err
	}
	if err := p.wanted(uid, held).difference(held); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if p.dropped() != 0 {
		bounding, err := readBounding()
		if err != nil {
			return err
		}
		if left := bounding & p.dropped(); left != 0 {
			return fmt.Errorf("verify: %s is left in the bounding set", left)
		}
	}
	if p.noNewPrivs {
		is, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		if err != nil {
			return fmt.Errorf("read no_new_privs: prctl: %w", err)
		}
		if is != 1 {
			return fmt.Errorf("verify: no_new_privs is %d, want 1", is)
		}
	}
	return nil
}

// difference says in what held is not c, and is nil where it is.
func (c capabilities) difference(held capabilities) error {
	for _, set := range []struct {
		name       string
		held, want capSet
	}{
		{"permitted", held.permitted, c.permitted},
		{"effective", held.effective, c.effective},
		{"inheritable", held.inheritable, c.inheritable},
		{"ambient", held.ambient, c.ambient},
	} {
		if set.held != set.want {
			return fmt.Errorf("the %s capabilities are %s, want %s", set.name, set.held, set.want)
		}
	}
	return nil
}

// readCapabilities reads the sets of the calling thread, by system calls alone
// because /proc need not be mounted.
func readCapabilities() (capabilities, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // the low and the high 32 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return capabilities{}, fmt.Errorf("read capabilities: capget: %w", err)
	}
	held := capabilities{
		permitted:   capSet(data[1].Permitted)<<32 | capSet(data[0].Permitted),
		effective:   capSet(data[1].Effective)<<32 | capSet(data[0].Effective),
		inheritable: capSet(data[1].Inheritable)<<32 | capSet(data[0].Inheritable),
	}
	// Only what is both permitted and inheritable can be ambient. The kernel tells
	// of one at a time, and each time is a system call.
	for number := range (held.permitted & held.inheritable).each {
		isSet, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(number), 0, 0)
		if err == unix.EINVAL {
			break // a kernel before 4.3, which has no ambient set
		}
		if err != nil {
			return capabilities{}, fmt.Errorf("read the ambient capabilities: prctl: %w", err)
		}
		held.ambient |= capSet(isSet) << number
	}
	return held, nil
}

// readBounding reads the bounding set of the calling thread. The kernel tells of
// one capability at a time, up to the last one that it knows. It knows number 0.
func readBounding() (capSet, error) {
	var set capSet
	for number := range 64 {
		isSet, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0)
		if err == unix.EINVAL && number > 0 {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("read the bounding set: prctl: %w", err)
		}
		set |= capSet(isSet) << number
	}
	return set, nil
}

// setCapabilities sets the permitted, effective and inheritable set of the
// calling thread.
func setCapabilities(c capabilities) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i].Permitted = uint32(c.permitted >> (32 * i))
		data[i].Effective = uint32(c.effective >> (32 * i))
		data[i].Inheritable = uint32(c.inheritable >> (32 * i))
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: capset: %w", err)
	}
	return nil
}
