// This file reads and clears the capability sets of the calling thread.
package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// capabilities are three of a thread's sets, one bit for each capability:
// capabilities(7).
type capabilities struct {
	permitted, effective, inheritable uint64
}

// readCapabilities reads the sets of the calling thread.
func readCapabilities() (capabilities, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // the low and the high 32 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return capabilities{}, fmt.Errorf("read capabilities: capget: %w", err)
	}
	return capabilities{
		permitted:   uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted),
		effective:   uint64(data[1].Effective)<<32 | uint64(data[0].Effective),
		inheritable: uint64(data[1].Inheritable)<<32 | uint64(data[0].Inheritable),
	}, nil
}

// readAmbient reads the ambient set of the calling thread, by system calls
// because /proc need not be mounted.
func readAmbient() (uint64, error) {
	var ambient uint64
	for bit := range 64 {
		isSet, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(bit), 0, 0)
		if err == unix.EINVAL {
			break // past the last capability of this kernel; at 0, a kernel before 4.3, which has no ambient set
		}
		if err != nil {
			return 0, fmt.Errorf("read the ambient capabilities: prctl: %w", err)
		}
		ambient |= uint64(isSet) << bit
	}
	return ambient, nil
}

// clearCapabilities empties the permitted, effective and inheritable sets of
// the calling thread, which needs no privilege, and with them the ambient set,
// which the kernel keeps within the permitted and the inheritable one.
//
// Leaving uid 0 empties all but the inheritable set by itself, unless the
// caller's securebits prevent it (SECBIT_NO_SETUID_FIXUP). Inheritable ones
// would come back with the next program file that has them: CVE-2022-24769.
//
// Nothing is set where nothing is held.
func clearCapabilities() error {
	held, err := readCapabilities()
	if err != nil || held == (capabilities{}) {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("clear capabilities: capset: %w", err)
	}
	return nil
}

// verifyNoCapabilities fails where one of the four sets is not empty.
func verifyNoCapabilities() error {
	held, err := readCapabilities()
	if err != nil {
		return err
	}
	ambient, err := readAmbient()
	if err != nil {
		return err
	}
	for _, set := range []struct {
		name string
		bits uint64
	}{
		{"permitted", held.permitted},
		{"effective", held.effective},
		{"inheritable", held.inheritable},
		{"ambient", ambient},
	} {
		if set.bits != 0 {
			return fmt.Errorf("verify: the %s capabilities are %#x, want none", set.name, set.bits)
		}
	}
	return nil
}
