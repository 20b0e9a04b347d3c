//go:build 386 || arm

// On these architectures the calls with the plain names take and return 16-bit
// ids, cutting off the rest: kernel/uid16.c.
package main

import "golang.org/x/sys/unix"

const (
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
	sysGetresuid = unix.SYS_GETRESUID32
	sysGetresgid = unix.SYS_GETRESGID32
)
