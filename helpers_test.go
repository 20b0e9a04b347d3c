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

	return statusOf(exec.Command(command[0], command[1:]...))
}

// statusOf runs a command with the standard streams of this process and returns its
// status, which is 128+N where signal N ended it, and 99 where it could not be run.
func statusOf(cmd *exec.Cmd) int {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		return 99
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
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
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER,
		UidMappings:                mapping,
		GidMappings:                mapping,
		GidMappingsEnableSetgroups: true,
	}
	os.Exit(statusOf(cmd))
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

// ingroups runs a command with the supplementary groups from FIRST on, COUNT of
// them: more than fit in an argument of setpriv(1).
//
//	ingroups FIRST COUNT COMMAND [ARGUMENT...]
func ingroups() {
	first, err := strconv.Atoi(os.Args[1])
	must("first", err)
	count, err := strconv.Atoi(os.Args[2])
	must("count", err)
	groups := make([]int, count)
	for i := range groups {
		groups[i] = first + i
	}
	must("setgroups", syscall.Setgroups(groups)) // of every thread
	become(os.Args[3:], os.Environ())
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
// effective, or none but effective, as setcap(8) does, which not every Debian has:
// struct vfs_cap_data of include/uapi/linux/capability.h.
//
//	filecap [none] FILE
func filecap() {
	var permitted uint32 = 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID
	if os.Args[1] == "none" {
		permitted, os.Args = 0, os.Args[1:]
	}
	attribute := []uint32{
		0x02000000 | 1, // VFS_CAP_REVISION_2, effective
		permitted, 0,
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
