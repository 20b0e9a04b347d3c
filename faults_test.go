//go:build faults

// This file lets each system call of a run fail in each way that it can, and those
// that change privileges also succeed without doing anything. It needs strace:
// make test-faults installs it.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// documented are the errors of each call that its manual page names, and EIO and
// EAGAIN where files are concerned. A call that is not here fails in every way
// that there is here.
var documented = map[string]string{
	"openat": "EACCES EAGAIN EBADF EBUSY EFAULT EINTR EINVAL EIO EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT " +
		"ENOMEM ENOTDIR ENXIO EOVERFLOW EROFS ESTALE ETXTBSY",
	"read":       "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR",
	"fstat":      "EBADF EFAULT EIO ENOMEM EOVERFLOW",
	"newfstatat": "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW",
	"faccessat":  "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS ETXTBSY",
	"close":      "EBADF EDQUOT EINTR EIO ENOSPC",
	"setgroups":  "EFAULT EINVAL ENOMEM",
	"setresgid":  "EAGAIN EINVAL",
	"setresuid":  "EAGAIN EINVAL",
	"getgroups":  "EFAULT EINVAL",
	"getresgid":  "EFAULT",
	"getresuid":  "EFAULT",
	"geteuid":    "",
	"capget":     "EFAULT EINVAL ESRCH",
	"capset":     "EFAULT EINVAL ESRCH",
	"prctl":      "EACCES EBADF EBUSY EFAULT EINVAL ENODEV ENXIO EOPNOTSUPP EOVERFLOW",
	"execve": "E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC " +
		"ENOMEM ENOTDIR ETXTBSY",

	// The Go runtime's.
	"arch_prctl":        "EFAULT EINVAL ENODEV",
	"clone":             "EACCES EAGAIN EBUSY EINVAL ENOMEM ENOSPC EOPNOTSUPP EUSERS",
	"fcntl":             "EACCES EAGAIN EBADF EBUSY EDEADLK EFAULT EINTR EINVAL EMFILE ENOLCK",
	"futex":             "EACCES EAGAIN EDEADLK EFAULT EINTR EINVAL ENFILE ENOMEM ESRCH ETIMEDOUT",
	"getpid":            "",
	"gettid":            "",
	"madvise":           "EACCES EAGAIN EBADF EINVAL EIO ENOMEM",
	"mmap":              "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW ETXTBSY",
	"mprotect":          "EACCES EINVAL ENOMEM",
	"munmap":            "EINVAL ENOMEM",
	"nanosleep":         "EFAULT EINTR EINVAL",
	"prlimit64":         "EFAULT EINVAL ESRCH",
	"rt_sigaction":      "EFAULT EINVAL",
	"rt_sigprocmask":    "EFAULT EINVAL",
	"sched_getaffinity": "EFAULT EINVAL ESRCH",
	"sigaltstack":       "EFAULT EINVAL ENOMEM",
	"tgkill":            "EAGAIN EINVAL ESRCH",
}

// errnosOf are the errors that a call is to fail with: the documented ones, and
// what a seccomp filter answers for any call.
func errnosOf(call string) []string {
	text, ok := documented[call]
	if !ok {
		text = strings.Join(slices.Collect(maps.Values(documented)), " ")
	}
	errnos := append(strings.Fields(text), "EPERM", "ENOSYS")
	slices.Sort(errnos)
	return slices.Compact(errnos)
}

// ours are the calls that this program makes by itself. All others are the Go
// runtime's, which ends a process in its own way: status 2, and more than a line.
var ours = []string{
	"openat", "fstat", "read", "setgroups", "setresgid", "setresuid", "getgroups", "getresgid", "getresuid",
	"capget", "capset", "prctl", "newfstatat", "faccessat", "geteuid", "execve",
}

// liars are the calls of which some filters say that they succeeded when they
// were not made.
var liars = []string{"setgroups", "setresgid", "setresuid", "capset", "prctl"}

// TestFaults takes the list of calls from a traced run, so that a new one is
// covered on the day on which it is added. In every run the command must have run
// as exactly who was asked for, or not at all, and then one line said why.
func TestFaults(t *testing.T) {
	const (
		passwd = "app:x:1000:1000::/home/app:/bin/sh\n"
		group  = "root:x:0:\nvideo:x:44:\naudio:x:29:app\napp:x:1000:\n"
	)
	// What takes several reads, of which one in the middle may fail.
	long := strings.Repeat("x:x:5000:5000::/:/bin/sh\n", 8000)

	// The group by its name, so that a file that seems to be missing or empty is
	// an error and not another identity.
	tests := []struct {
		name, passwd, group string
		options             []string
		calls               []string // only these, where there are any
	}{
		{"plain", passwd, group, []string{"--group-add=video"}, nil},
		{"options", passwd, group, []string{"--group-add=video", "--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--no-new-privs", "--login-env"}, nil},
		{"reads", long + passwd, long + group, []string{"--group-add=video"}, []string{"read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, map[string]string{"passwd": tt.passwd, "group": tt.group})
			testFaults(p, slices.Concat([]string{"stepdown"}, tt.options, []string{"app"}, show), tt.calls)
		})
	}
}

// testFaults makes all runs of a command, two at a time. Where there are only, it
// is those calls that fail.
func testFaults(p place, command, only []string) {
	trace := func(arguments ...string) (run, error) {
		return runCommand(p.environment, slices.Concat([]string{"sandbox", "strace", "-f", "-qq"}, arguments, command)...)
	}
	t, file := p.t, filepath.Join(p.t.TempDir(), "trace")
	want, err := trace("-o", file)
	if err != nil || want.status != 0 || !strings.HasPrefix(want.stdout, identity(1000, 1000, 29, 44, 1000)) {
		t.Fatalf("without a fault: %+v, %v", want, err)
	}
	calls := readTrace(t, file)
	for _, call := range []string{"setgroups", "setresgid", "setresuid", "capget", "prctl", "openat", "read", "execve"} {
		if calls[call] == 0 {
			t.Fatalf("no %s in the trace: %v", call, calls)
		}
	}
	if len(only) > 0 {
		maps.DeleteFunc(calls, func(call string, _ int) bool { return !slices.Contains(only, call) })
	}

	var faults []string
	errnos := make(map[string]bool)
	for _, call := range slices.Sorted(maps.Keys(calls)) {
		var results []string
		for _, errno := range errnosOf(call) {
			errnos[errno] = true
			results = append(results, "error="+errno)
		}
		if slices.Contains(liars, call) {
			results = append(results, "retval=0")
		}
		for when := range calls[call] {
			if call == "execve" {
				when++ // the first is the one by which strace starts it
			}
			for _, result := range results {
				faults = append(faults, fmt.Sprintf("%s:%s:when=%d", call, result, when+1))
			}
		}
	}

	var mutex sync.Mutex
	counts := make(map[string]int)
	queue := make(chan string)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for fault := range queue {
				call, _, _ := strings.Cut(fault, ":")
				got, err := trace("-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+fault)
				outcome := got.judge(want)
				if outcome == neitherOfBoth && !slices.Contains(ours, call) && got.status != 0 {
					outcome = "ended by the Go runtime"
				}
				mutex.Lock()
				counts[outcome]++
				mutex.Unlock()
				isInterrupted := strings.HasPrefix(fault, "read:error=EINTR:") // which is tried again
				if err != nil || strings.HasPrefix(outcome, "WRONG") || isInterrupted && outcome != ranAsAsked {
					t.Errorf("%s: %s: %+v, %v", fault, outcome, got, err)
				}
			}
		})
	}
	for _, fault := range faults {
		queue <- fault
	}
	close(queue)
	workers.Wait()
	t.Logf("%d calls of %d kinds, %d errors, %d runs: %v", sum(calls), len(calls), len(errnos), len(faults), counts)
}

// tracedCall is a line of strace's: the thread and the call.
var tracedCall = regexp.MustCompile(`^(\d+) +(\w+)\(`)

// readTrace counts the calls between the execve that starts the program and the
// one by which it becomes the command, which is counted in. Numbers are those of
// the thread that makes the most of them, because strace counts by thread.
func readTrace(t *testing.T, file string) map[string]int {
	t.Helper()
	trace, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	byThread := make(map[string]map[string]int)
	execs := 0
	for _, line := range strings.Split(string(trace), "\n") {
		match := tracedCall.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		thread, call := match[1], match[2]
		if call == "execve" {
			if execs++; execs == 1 {
				continue
			}
		}
		if byThread[thread] == nil {
			byThread[thread] = make(map[string]int)
		}
		byThread[thread][call]++
		if execs == 2 {
			break
		}
	}
	calls := make(map[string]int)
	for _, counts := range byThread {
		for call, count := range counts {
			calls[call] = max(calls[call], count)
		}
	}
	return calls
}

func sum(counts map[string]int) int {
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
