package main

// This file runs stepdown under seccomp filters that refuse, kill and lie, for each
// system call by which it changes and reads privileges.

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// everything is a run in which stepdown makes each of these calls.
var everything = append([]string{
	"stepdown", "--group-add=video", "--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--no-new-privs", "app",
}, show...)

var seccompFiles = map[string]string{
	"passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
	"group":  "video:x:44:\naudio:x:29:app\n",
}

// seccompCalls are the calls that filters are for.
func seccompCalls() []string {
	calls := []string{"setgroups", "setresgid", "setresuid", "capset", "getgroups", "getresgid", "getresuid", "capget"}
	return append(calls, slices.Sorted(maps.Keys(prctlOperations))...)
}

// A filter that lets a call fail, or ends the process, means that nothing is run.
// So does one that says of a change that it was made when it was not; whether the
// filter says so or another process.
func TestSeccomp(t *testing.T) {
	p := newPlace(t, seccompFiles)
	want := p.run(everything...)
	if want.status != 0 || !strings.HasPrefix(want.stdout, identity(1000, 1000, 29, 44, 1000)) {
		t.Fatalf("without a filter: %+v", want)
	}
	counts := make(map[string]int)
	for _, call := range seccompCalls() {
		answers := []string{"EPERM", "ENOSYS", "EINVAL", "kill-process"}
		if isChange := call != "PR_CAPBSET_READ" && call != "PR_GET_NO_NEW_PRIVS"; isChange && !strings.Contains(call, "get") {
			answers = append(answers, "success", "lie")
		}
		for _, answer := range answers {
			got := p.run(slices.Concat([]string{"pretend", answer, call}, everything)...)
			outcome := got.judge(want)
			if outcome == neitherOfBoth && answer == "kill-process" && got.status == 128+int(unix.SIGSYS) && got.stderr == "" {
				outcome = "killed"
			}
			counts[outcome]++
			wanted := refused
			switch {
			case answer == "kill-process":
				wanted = "killed"
			case call == "PR_SET_NO_NEW_PRIVS" && (answer == "success" || answer == "lie") && !hasNamespaces(t):
				wanted = ranAsAsked // without CAP_SYS_ADMIN, a filter takes it to be set before
			}
			if outcome != wanted {
				t.Errorf("%s of %s: %s: %+v", answer, call, outcome, got)
			}
		}
	}
	t.Logf("%d calls: %v", len(seccompCalls()), counts)
}

// A filter that ends the thread and not the process (SCMP_ACT_KILL) leaves the
// other threads of the Go runtime, which do nothing: nothing is run, and somebody
// has to end the process.
func TestSeccompKillThread(t *testing.T) {
	needNamespaces(t) // without them, it would not be the process that is looked at
	p := newPlace(t, seccompFiles)
	for _, call := range seccompCalls() {
		cmd := exec.Command("sandbox", slices.Concat([]string{"pretend", "kill-thread", call}, everything)...)
		cmd.Env = p.environment
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The main thread is a zombie, and not alone.
		isDead := func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(status), "\nState:\tZ")
		}
		for !isDead() {
			time.Sleep(time.Millisecond)
		}
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || stdout.Len() > 0 {
			t.Errorf("%s: %v, %q", call, err, &stdout)
		}
	}
}
