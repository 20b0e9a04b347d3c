//go:build faults

// This file lets each system call of a run fail in each way that it can, and those
// that change privileges also succeed without doing anything. It needs strace:
// make test-faults installs it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// errnos are what execve(2), setresuid(2), capset(2), prctl(2), open(2), read(2)
// and their kin name as reasons to fail, and what a seccomp filter answers.
var errnos = []string{
	"EPERM", "ENOENT", "EINTR", "EIO", "EBADF", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTDIR", "EISDIR",
	"EINVAL", "ENFILE", "EMFILE", "ETXTBSY", "ENAMETOOLONG", "ENOSYS", "ELOOP", "E2BIG", "ENOEXEC", "EOVERFLOW",
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
	needRoot(t)
	work := workDir(t, map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
		"group":  "root:x:0:\nvideo:x:44:\naudio:x:29:app\napp:x:1000:\n",
	})
	bin, helpers := installed(t), helpersDir(t)

	// The group by its name, so that a file that seems to be missing or empty is
	// an error and not another identity.
	for name, options := range map[string][]string{
		"plain":   {"--group-add=video"},
		"options": {"--group-add=video", "--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--no-new-privs", "--login-env"},
	} {
		t.Run(name, func(t *testing.T) {
			tracer := tracer{
				environment: []string{"WORK=" + work, "PATH=" + helpers + ":/usr/sbin:/usr/bin:/sbin:/bin"},
				command: append(append([]string{filepath.Join(bin, "stepdown")}, options...),
					"app", "grep", "-E", "^(Uid|Gid|Groups|Cap...|NoNewPrivs):", "/proc/self/status"),
			}
			tracer.test(t)
		})
	}
}

// A tracer runs a command under strace.
type tracer struct {
	environment []string
	command     []string
}

// A run is what came of one.
type run struct {
	stdout, stderr string
	status         int // 128+N or -1 where signal N ended it
}

// trace runs the command with further arguments for strace. A command that hangs
// is an error.
func (tr tracer) trace(arguments ...string) (run, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all := slices.Concat([]string{"strace", "-f", "-qq"}, arguments, tr.command)
	cmd := exec.CommandContext(ctx, "sandbox", all...)
	cmd.Env = tr.environment
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return run{}, fmt.Errorf("hangs: %w", ctx.Err())
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return run{}, err
	}
	return run{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}

// test makes all runs, two at a time.
func (tr tracer) test(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	want, err := tr.trace("-o", file)
	if err != nil || want.status != 0 || !strings.Contains(want.stdout, "Uid:\t1000\t1000\t1000\t1000\n") {
		t.Fatalf("without a fault: %+v, %v", want, err)
	}
	calls := readTrace(t, file)
	for _, call := range []string{"setgroups", "setresgid", "setresuid", "capget", "prctl", "openat", "read", "execve"} {
		if calls[call] == 0 {
			t.Fatalf("no %s in the trace: %v", call, calls)
		}
	}

	var faults []string
	for _, call := range slices.Sorted(maps.Keys(calls)) {
		results := make([]string, 0, len(errnos)+1)
		for _, errno := range errnos {
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
				got, err := tr.trace("-o", "/dev/null", "-e", "inject="+fault)
				outcome := judge(fault, got, want, err)
				mutex.Lock()
				counts[outcome]++
				mutex.Unlock()
				if strings.HasPrefix(outcome, "WRONG") {
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

// judge says what came of a run with a fault.
func judge(fault string, got, want run, err error) string {
	call, _, _ := strings.Cut(fault, ":")
	switch {
	case err != nil:
		return "WRONG: no end"
	case got.stdout == want.stdout && got.status == 0:
		return "ran as asked for"
	case got.stdout != "":
		return "WRONG: ran as somebody else"
	case got.status >= exitFailed && got.status <= exitNotFound && strings.Count(got.stderr, "\n") == 1 &&
		strings.HasPrefix(got.stderr, "stepdown: "):
		return "refused in one line"
	case !slices.Contains(ours, call) && got.status != 0:
		return "ended by the Go runtime"
	}
	return "WRONG: neither ran nor said why in one line"
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
