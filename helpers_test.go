package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The programs of this file do for scripts what no program in every Debian
// does. Like stepdown, most end by becoming the command in their arguments.

// sandbox runs a command in a mount namespace of its own, in which the directory
// etc of the script's work directory is /etc. On a machine that gives no such
// namespace but may be thrown away, it replaces the machine's own files.
//
//	sandbox COMMAND [ARGUMENT...]
func sandbox() {
	runtime.LockOSThread() // a mount from another thread would be one for the whole machine
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == unix.EPERM && throwaway() {
		os.Exit(replaceFiles(os.Getenv("WORK")+"/etc", os.Args[1:]))
	}
	must("unshare", err)
	must("make / private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must("bind etc", unix.Mount(os.Getenv("WORK")+"/etc", "/etc", "", unix.MS_BIND, ""))
	become(os.Args[1:], os.Environ())
}

// throwaway tells whether whoever runs the tests has said that this machine's
// own /etc/passwd and /etc/group may be replaced, as Dockerfile.test does: the
// machine is a container that ends with the tests.
func throwaway() bool { return os.Getenv("STEPDOWN_TEST_THROWAWAY") == "1" }

// replaceFiles runs a command while links to the files in etc stand in the place
// of the machine's /etc/passwd and /etc/group, and returns its status, which is
// 128+N where signal N ended it. One command at a time: a lock on /etc sees to it.
func replaceFiles(etc string, command []string) int {
	lock, err := unix.Open("/etc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must("open /etc", err)
	must("lock /etc", unix.Flock(lock, unix.LOCK_EX))

	for _, name := range []string{"passwd", "group"} {
		path, aside := "/etc/"+name, "/etc/"+name+".stepdown-test"
		err := os.Rename(path, aside)
		hadOne := err == nil
		if !errors.Is(err, fs.ErrNotExist) {
			must("move aside", err)
		}
		// Whatever stands there, a link that leads nowhere included: what is
		// missing in etc is to be missing in /etc.
		if _, err := os.Lstat(etc + "/" + name); err == nil {
			must("link", os.Symlink(etc+"/"+name, path))
		}
		defer func() {
			if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
				must("remove the link", err)
			}
			if hadOne {
				must("put back", os.Rename(aside, path))
			}
		}()
	}

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
			return 99
		}
		return 0
	}
	if status := ended.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return ended.ExitCode()
}

// userns runs a command in a user namespace that maps the ids from 0 to COUNT-1
// to themselves, and ends with the command's status.
//
//	userns COUNT COMMAND [ARGUMENT...]
func userns() {
	count, err := strconv.Atoi(os.Args[1])
	must("count", err)
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: count}}
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER,
		UidMappings:                mapping,
		GidMappings:                mapping,
		GidMappingsEnableSetgroups: true,
	}
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		os.Exit(ended.ExitCode())
	}
	must(os.Args[2], err)
}

// pretend runs a command under a kernel that lies: the named system call, or the
// named operation of prctl, does nothing and says that it succeeded, or that it
// failed with an error.
//
//	pretend [EINVAL|EPERM] CALL COMMAND [ARGUMENT...]
func pretend() {
	runtime.LockOSThread() // a filter holds for the thread that installs it
	errno, fails := map[string]unix.Errno{"EINVAL": unix.EINVAL, "EPERM": unix.EPERM}[os.Args[1]]
	if fails {
		os.Args = os.Args[1:]
	}
	calls := map[string]struct{ number, operation uint32 }{
		"setgroups":           {unix.SYS_SETGROUPS, 0},
		"setresgid":           {sysSetresgid, 0},
		"setresuid":           {sysSetresuid, 0},
		"capset":              {unix.SYS_CAPSET, 0},
		"PR_CAPBSET_READ":     {unix.SYS_PRCTL, unix.PR_CAPBSET_READ},
		"PR_CAPBSET_DROP":     {unix.SYS_PRCTL, unix.PR_CAPBSET_DROP},
		"PR_CAP_AMBIENT":      {unix.SYS_PRCTL, unix.PR_CAP_AMBIENT},
		"PR_SET_KEEPCAPS":     {unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS},
		"PR_SET_NO_NEW_PRIVS": {unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS},
	}
	call, ok := calls[os.Args[1]]
	if !ok {
		must(os.Args[1], errors.New("not a call that pretend knows"))
	}
	if call.number == unix.SYS_SETGROUPS && (runtime.GOARCH == "386" || runtime.GOARCH == "arm") {
		call.number = 206 // SYS_SETGROUPS32, which package unix has only there
	}
	skipOperation := uint8(0)
	if call.operation == 0 {
		skipOperation = 2
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call.number, Jt: skipOperation, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // the low half of its first argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call.operation, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)}, // 0 is success
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	installFilter(filter)
	become(os.Args[2:], os.Environ())
}

// nowrite runs a command that is killed when it opens a file for writing.
//
//	nowrite COMMAND [ARGUMENT...]
func nowrite() {
	runtime.LockOSThread()
	installFilter([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 32}, // the low half of its third argument
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
	become(os.Args[1:], os.Environ())
}

// installFilter puts the calling thread, and what it execs, under a seccomp filter.
func installFilter(filter []unix.SockFilter) {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	install := func() error {
		return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	}
	err := install()
	if err == unix.EACCES { // without CAP_SYS_ADMIN, as in a container, it takes no_new_privs
		must("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = install()
	}
	must("seccomp", err)
}

// securebits runs a command with these securebits, a number: capabilities(7).
//
//	securebits BITS COMMAND [ARGUMENT...]
func securebits() {
	runtime.LockOSThread()
	bits, err := strconv.ParseUint(os.Args[1], 0, 32)
	must("bits", err)
	must("prctl", unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0))
	become(os.Args[2:], os.Environ())
}

// listen listens on a TCP port of all addresses, and says so.
//
//	listen PORT
func listen() {
	listener, err := net.Listen("tcp", ":"+os.Args[1])
	must("listen", err)
	fmt.Println("listening on", listener.Addr())
}

// rawenv runs a command with just these variables in its environment, as often
// as they are given.
//
//	rawenv NAME=VALUE... -- COMMAND [ARGUMENT...]
func rawenv() {
	for i, arg := range os.Args {
		if arg == "--" {
			become(os.Args[i+1:], os.Args[1:i])
		}
	}
	must("rawenv", errors.New("no -- in the arguments"))
}

// noargv runs a program without any argument, so that not even its name is in
// argv. A kernel from 5.18 on adds an empty one: execve(2).
//
//	noargv PROGRAM
func noargv() {
	path, err := exec.LookPath(os.Args[1])
	must("look up", err)
	must("exec "+path, syscall.Exec(path, nil, os.Environ()))
}

// filecap gives a program file CAP_SETGID and CAP_SETUID, permitted and
// effective, as setcap(8) does, which not every Debian has: struct vfs_cap_data
// of include/uapi/linux/capability.h.
//
//	filecap FILE
func filecap() {
	attribute := []uint32{
		0x02000000 | 1, // VFS_CAP_REVISION_2, effective
		1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID, 0,
		0, 0,
	}
	value, err := binary.Append(nil, binary.LittleEndian, attribute)
	must("encode", err)
	must("setxattr", unix.Setxattr(os.Args[1], "security.capability", value, 0))
}

// become execs a command.
func become(command, environment []string) {
	path, err := exec.LookPath(command[0])
	must("look up", err)
	must("exec "+path, syscall.Exec(path, command, environment))
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", os.Args[0], what, err)
		os.Exit(99)
	}
}
