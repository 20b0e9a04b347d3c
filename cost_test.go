//go:build faults

// This file holds stepdown to what it costs where that can be counted: system
// calls, what is read and mapped, what is linked. Time is no test's matter:
// docs/BENCHMARKS.md. It needs strace, as faults_test.go does.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These are all the system calls from the first line of the program to the
// command, but for the Go runtime's own. One more has to be wanted here.
func TestCostCalls(t *testing.T) {
	p := newPlace(t, map[string]string{"passwd": "app:x:1000:1000::/home/app:/bin/sh\n", "group": "audio:x:29:app\n"})
	want := strings.Fields(`
		getresuid getresgid getgroups
		openat fstat openat fstat
		read
		read read
		newfstatat newfstatat
		setgroups setresgid setresuid
		capget
		getresuid getresgid getgroups getgroups
		capget
		execve`)
	_, ours := traceCost(p)
	var got []string
	for _, line := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(ours, -1) {
		if call := line[1]; !slices.Contains(runtimeCalls, call) {
			got = append(got, call)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// runtimeCalls are those that the Go runtime makes at any time, because its threads
// come, wait and go, and prlimit64, by which its exec gives back the limit of open
// files where it was raised.
var runtimeCalls = []string{
	"clone", "clone3", "futex", "gettid", "getpid", "tgkill", "madvise", "mmap", "munmap", "nanosleep", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield", "sigaltstack", "exit", "pread64", "prctl", "prlimit64",
}

// Large files are read once, from the beginning to the end, and take no memory.
func TestCostLarge(t *testing.T) {
	var passwd, group strings.Builder
	const lines = 200_000
	for i := range lines {
		fmt.Fprintf(&passwd, "u%d:x:%d:%[2]d:user number %[1]d:/home/u%[1]d:/bin/sh\n", i, 10000+i)
		fmt.Fprintf(&group, "g%d:x:%d:\n", i, 10000+i)
	}
	const last = "app:x:1000:1000::/home/app:/bin/sh\n"
	small := newPlace(t, map[string]string{"passwd": last, "group": "app:x:1000:\n"})
	large := newPlace(t, map[string]string{"passwd": passwd.String() + last, "group": group.String()})

	runtime, ours := traceCost(large)
	read := total(ours, `read(?:\(\d+, | resumed>)".*"(?:\.\.\.)?, \d+\) += (\d+)`)
	if want := passwd.Len() + len(last) + group.Len(); read != want {
		t.Errorf("%d bytes were read of files of %d", read, want)
	}

	const mapped = `mmap\((?:NULL|0x[0-9a-f]+), (\d+), PROT_READ\|PROT_WRITE`
	after := total(runtime+ours, mapped)
	runtime, ours = traceCost(small)
	before := total(runtime+ours, mapped)
	// The heap grows by 4 MB at a time, and now and then by one of these.
	if more := after - before; before == 0 || more > 4<<20 {
		t.Errorf("%d bytes of memory were mapped with small files, and %d more with large ones", before, more)
	}
}

// traceCost traces stepdown until it is the command, in two parts: what the Go
// runtime does at start, and the rest, from the first call that is stepdown's own.
func traceCost(p place) (runtime, ours string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "trace")
	got := p.run("setpriv", "--clear-groups", "strace", "-f", "-s", "8", "-o", file, "stepdown", "app", "/bin/true")
	if got.status != 0 {
		p.t.Fatalf("%+v", got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	trace := string(text)
	first := regexp.MustCompile(`(?m)^\d+ +getresuid\(`).FindStringIndex(trace)
	last := regexp.MustCompile(`(?m)^\d+ +execve\("/bin/true".*\n`).FindStringIndex(trace)
	if first == nil || last == nil {
		p.t.Fatalf("no getresuid or no execve in the trace:\n%s", trace)
	}
	return trace[:first[0]], trace[first[0]:last[1]]
}

// total adds up the numbers that pattern finds in a trace.
func total(trace, pattern string) int {
	sum := 0
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(trace, -1) {
		number, err := strconv.Atoi(match[1])
		if err != nil {
			panic(err)
		}
		sum += number
	}
	return sum
}

// Scanners report each package in the binary for as long as it is there.
func TestCostLinked(t *testing.T) {
	want := strings.Fields(`
		bufio bytes cmp encoding/binary errors fmt io io/fs iter math math/bits os path path/filepath reflect runtime
		slices sort strconv strings sync sync/atomic syscall time unicode unicode/utf8 unsafe
		github.com/moby/sys/capability github.com/moby/sys/user golang.org/x/sys/unix stepdown`)
	listed, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(strings.Fields(string(listed)), func(name string) bool {
		return strings.HasPrefix(name, "internal/") || strings.Contains(name, "/internal/")
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	const most = 2 << 20
	program, err := os.Stat(filepath.Join(installed(t), "stepdown"))
	if err != nil {
		t.Fatal(err)
	}
	if program.Size() > most {
		t.Errorf("the program is of %d bytes, more than %d", program.Size(), most)
	}
}
