// This file refuses to work with privileges that come from the program file: a
// setuid, setgid or file-capability copy of stepdown would let every user of
// the machine become root. It looks at nothing but what the kernel said at exec.
package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Types of auxiliary vector entries: include/uapi/linux/auxvec.h.
const (
	atUID    = 11 // real uid
	atEUID   = 12 // effective uid
	atGID    = 13 // real gid
	atEGID   = 14 // effective gid
	atSecure = 23 // 1 when the exec gained privileges, or a security module says so
)

// refuseElevated fails when the exec of this program gained privileges. What it
// reads is the auxiliary vector (getauxval(3)), which the kernel wrote on the
// stack at exec: no /proc is needed, and nobody but the kernel can have set it.
func refuseElevated() error {
	pairs, err := unix.Auxv()
	if err != nil {
		return fmt.Errorf("read the auxiliary vector, which tells whether this program file is setuid: %w", err)
	}
	vector := make(map[uintptr]uintptr, len(pairs))
	for _, pair := range pairs {
		vector[pair[0]] = pair[1]
	}
	permitted := false
	if vector[atSecure] != 0 {
		held, err := readCapabilities()
		if err != nil {
			return err
		}
		permitted = held.permitted != 0
	}
	return checkElevated(vector, permitted)
}

// checkElevated decides by an auxiliary vector, and by whether the process
// holds any permitted capability.
func checkElevated(vector map[uintptr]uintptr, permitted bool) error {
	for _, key := range []uintptr{atUID, atEUID, atGID, atEGID, atSecure} {
		if _, ok := vector[key]; !ok {
			return fmt.Errorf("the auxiliary vector has no entry of type %d: cannot tell whether this program file is setuid", key)
		}
	}
	switch {
	case vector[atUID] != vector[atEUID]:
		return fmt.Errorf("refusing to run: real uid %d and effective uid %d differ, as a setuid program file makes them: chmod u-s it",
			vector[atUID], vector[atEUID])
	case vector[atGID] != vector[atEGID]:
		return fmt.Errorf("refusing to run: real gid %d and effective gid %d differ, as a setgid program file makes them: chmod g-s it",
			vector[atGID], vector[atEGID])
	case vector[atUID] != 0 && vector[atSecure] != 0 && permitted:
		// AT_SECURE alone is no proof: security modules set it on a change of
		// domain too. Capabilities without it may be ambient, which is the
		// caller's to give.
		return errors.New("refusing to run: the program file has file capabilities: setcap -r it")
	}
	return nil
}
