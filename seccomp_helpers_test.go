package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The helpers of this file stand between a command and the kernel, by a seccomp
// filter. They see to it that each run goes wrong at the same place.

// pretend runs a command under a kernel that does not make the named system call,
// or the named operation of prctl. It says that it succeeded; or else what comes
// before the name: an error; kill-process and kill-thread, which end the caller;
// or lie, which is success too, but another process says so, and not the filter.
//
//	pretend [success|EINVAL|EPERM|ENOSYS|kill-process|kill-thread|lie] CALL COMMAND [ARGUMENT...]
func pretend() {
	action, isGiven := map[string]uint32{
		"success":      unix.SECCOMP_RET_ERRNO, // and 0
		"EINVAL":       unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL),
		"EPERM":        unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM),
		"ENOSYS":       unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS),
		"kill-process": unix.SECCOMP_RET_KILL_PROCESS,
		"kill-thread":  unix.SECCOMP_RET_KILL_THREAD,
		"lie":          unix.SECCOMP_RET_USER_NOTIF,
	}[os.Args[1]]
	if isGiven {
		os.Args = os.Args[1:]
	} else {
		action = unix.SECCOMP_RET_ERRNO
	}
	filter := filterFor(os.Args[1], action)
	if action == unix.SECCOMP_RET_USER_NOTIF {
		answer(filter, os.Args[2:], func(c *waitingCall) reply { return reply{ID: c.ID} })
	}
	runtime.LockOSThread() // a filter holds for the thread that installs it
	install(filter, 0)
	become(os.Args[2:], os.Environ())
}

// nowrite runs a command that is killed when it opens a file for writing.
//
//	nowrite COMMAND [ARGUMENT...]
func nowrite() {
	runtime.LockOSThread()
	install([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 32}, // the low half of its third argument
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}, 0)
	become(os.Args[1:], os.Environ())
}

// meanwhile runs a shell script each time that a command is about to make the
// named call, openat or read, for the file at a path.
//
//	meanwhile CALL PATH SCRIPT COMMAND [ARGUMENT...]
func meanwhile() {
	call, path, script := os.Args[1], os.Args[2], os.Args[3]
	answer(filterFor(call, unix.SECCOMP_RET_USER_NOTIF), os.Args[4:], func(c *waitingCall) reply {
		if call == "read" && c.openFile() == path || call == "openat" && c.text(1) == path {
			if status := statusOf(exec.Command("sh", "-e", "-c", script)); status != 0 {
				must(script, errors.New("status "+strconv.Itoa(status)))
			}
		}
		return c.goOn()
	})
}

// trickle runs a command that gets no more than COUNT bytes by each read of
// /etc/passwd and /etc/group.
//
//	trickle COUNT COMMAND [ARGUMENT...]
func trickle() {
	count, err := strconv.Atoi(os.Args[1])
	must("count", err)
	answer(filterFor("read", unix.SECCOMP_RET_USER_NOTIF), os.Args[2:], func(c *waitingCall) reply {
		if file := c.openFile(); file != passwdPath && file != groupPath {
			return c.goOn()
		}
		// The same open file, so that the next read goes on where this one ends.
		process, err := unix.PidfdOpen(int(c.PID), 0)
		must("pidfd_open", err)
		defer unix.Close(process)
		file, err := unix.PidfdGetfd(process, int(c.Arguments[0]), 0)
		must("pidfd_getfd", err)
		defer unix.Close(file)
		buffer := make([]byte, min(count, int(c.Arguments[2])))
		n, err := unix.Read(file, buffer)
		must("read", err)
		if n > 0 {
			local := []unix.Iovec{{Base: &buffer[0]}}
			local[0].SetLen(n)
			_, err = unix.ProcessVMWritev(int(c.PID), local, []unix.RemoteIovec{{Base: uintptr(c.Arguments[1]), Len: n}}, 0)
			must("process_vm_writev", err)
		}
		return reply{ID: c.ID, Value: int64(n)}
	})
}

// filterFor returns the filter that takes this action for the named call and lets
// through the others.
func filterFor(name string, action uint32) []unix.SockFilter {
	type call struct{ number, operation uint32 }
	calls := map[string]call{
		"setgroups": {unix.SYS_SETGROUPS, 0},
		"setresgid": {sysSetresgid, 0},
		"setresuid": {sysSetresuid, 0},
		"capset":    {unix.SYS_CAPSET, 0},
		"getgroups": {unix.SYS_GETGROUPS, 0},
		"getresgid": {sysGetresgid, 0},
		"getresuid": {sysGetresuid, 0},
		"capget":    {unix.SYS_CAPGET, 0},
		"openat":    {unix.SYS_OPENAT, 0},
		"read":      {unix.SYS_READ, 0},
	}
	if runtime.GOARCH == "386" || runtime.GOARCH == "arm" {
		// SYS_SETGROUPS32 and SYS_GETGROUPS32, which package unix has only there.
		calls["setgroups"], calls["getgroups"] = call{206, 0}, call{205, 0}
	}
	for operation, number := range prctlOperations {
		calls[operation] = call{unix.SYS_PRCTL, number}
	}
	c, ok := calls[name]
	if !ok {
		must(name, errors.New("not a call that is known here"))
	}
	skipOperation := uint8(0)
	if c.operation == 0 {
		skipOperation = 2
	}
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c.number, Jt: skipOperation, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // the low half of its first argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c.operation, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// prctlOperations are those that stepdown uses.
var prctlOperations = map[string]uint32{
	"PR_CAPBSET_READ":     unix.PR_CAPBSET_READ,
	"PR_CAPBSET_DROP":     unix.PR_CAPBSET_DROP,
	"PR_CAP_AMBIENT":      unix.PR_CAP_AMBIENT,
	"PR_SET_KEEPCAPS":     unix.PR_SET_KEEPCAPS,
	"PR_SET_NO_NEW_PRIVS": unix.PR_SET_NO_NEW_PRIVS,
	"PR_GET_NO_NEW_PRIVS": unix.PR_GET_NO_NEW_PRIVS,
}

// install installs a filter for the calling thread and what it starts, and returns
// what seccomp(2) does.
func install(filter []unix.SockFilter, flags uintptr) int {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	seccomp := func() (uintptr, unix.Errno) {
		result, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
		return result, errno
	}
	result, errno := seccomp()
	if errno == unix.EACCES { // without CAP_SYS_ADMIN, as in a container, it takes no_new_privs
		must("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		result, errno = seccomp()
	}
	if errno != 0 {
		must("seccomp", errno)
	}
	return int(result)
}

// A waitingCall is one that waits for a reply: struct seccomp_notif of
// include/uapi/linux/seccomp.h.
type waitingCall struct {
	ID        uint64
	PID, _    uint32
	_         int32
	_         uint32
	_         uint64
	Arguments [6]uint64
}

// A reply is what comes of one: struct seccomp_notif_resp.
type reply struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// answer runs a command under a filter whose calls wait for a reply, and ends
// with its status.
func answer(filter []unix.SockFilter, command []string, decide func(*waitingCall) reply) {
	listener := make(chan int)
	go func() {
		// The filter is for this thread, and the command which it starts. All
		// others have none, the one that replies among them.
		runtime.LockOSThread()
		listener <- install(filter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
		os.Exit(statusOf(exec.Command(command[0], command[1:]...)))
	}()
	fd := uintptr(<-listener)
	for {
		var call waitingCall
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call)))
		if errno == unix.EINTR || errno == unix.ENOENT { // ENOENT: its caller is no more
			continue
		}
		if errno != 0 {
			must("receive a call", errno)
		}
		reply := decide(&call)
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&reply)))
		if errno != 0 && errno != unix.ENOENT {
			must("reply", errno)
		}
	}
}

// goOn lets the kernel make the call.
func (c *waitingCall) goOn() reply {
	return reply{ID: c.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
}

// openFile returns the path of the open file that the first argument means, or
// nothing where it means none that has one.
func (c *waitingCall) openFile() string {
	path, err := os.Readlink("/proc/" + strconv.Itoa(int(c.PID)) + "/fd/" + strconv.Itoa(int(c.Arguments[0])))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		must("readlink", err)
	}
	return path
}

// text returns the text at the argument of that index: as much as a path may have
// of it.
func (c *waitingCall) text(index int) string {
	buffer := make([]byte, unix.PathMax)
	local := []unix.Iovec{{Base: &buffer[0]}}
	local[0].SetLen(len(buffer))
	// Page by page, because the text may stand near the end of what is mapped.
	var remote []unix.RemoteIovec
	for at, end := uintptr(c.Arguments[index]), uintptr(c.Arguments[index])+unix.PathMax; at < end; {
		next := min((at/4096+1)*4096, end)
		remote = append(remote, unix.RemoteIovec{Base: at, Len: int(next - at)})
		at = next
	}
	n, err := unix.ProcessVMReadv(int(c.PID), local, remote, 0)
	must("process_vm_readv", err)
	text, _, _ := bytes.Cut(buffer[:n], []byte{0})
	return string(text)
}
