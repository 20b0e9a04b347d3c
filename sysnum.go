//go:build !386 && !arm

// This file and sysnum_uid16.go name the system calls of setup.go that not
// every architecture has under the same number.
package main

import "golang.org/x/sys/unix"

const (
	sysSetresuid = unix.SYS_SETRESUID
	sysSetresgid = unix.SYS_SETRESGID
	sysGetresuid = unix.SYS_GETRESUID
	sysGetresgid = unix.SYS_GETRESGID
)
