package main

// This file holds stepdown to its promise where the surroundings are bad: files
// that change while they are read or are no files at all, closed standard streams,
// limits, and arguments and groups in great numbers. In each case the command runs
// as exactly who was asked for, or not at all, and then one line says why.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// show is a command that says who it is.
var show = []string{"grep", "-E", "^(Uid|Gid|Groups|Cap...|NoNewPrivs):", "/proc/self/status"}

// A run is what came of a command.
type run struct {
	stdout, stderr string
	status         int // 128+N where signal N ended it
}

// runCommand runs a command with this environment. One that hangs is an error.
func runCommand(environment []string, command ...string) (run, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = environment
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return run{}, fmt.Errorf("hangs: %w", ctx.Err())
	}
	if cmd.ProcessState == nil {
		return run{}, err
	}
	status := cmd.ProcessState.ExitCode()
	if wait := cmd.ProcessState.Sys().(syscall.WaitStatus); wait.Signaled() {
		status = 128 + int(wait.Signal())
	}
	return run{stdout.String(), stderr.String(), status}, nil
}

// What may come of a run of stepdown, as judge says it.
const (
	ranAsAsked    = "ran as asked for"
	refused       = "refused in one line"
	ranAsAnother  = "WRONG: ran as somebody else"
	neitherOfBoth = "WRONG: neither ran nor said why in one line"
)

// judge says what came of a run which, where nothing is in its way, comes to want.
func (r run) judge(want run) string {
	switch {
	case r.stdout == want.stdout && r.status == 0:
		return ranAsAsked
	case r.stdout != "":
		return ranAsAnother
	case r.status >= exitFailed && r.status <= exitNotFound && strings.HasPrefix(r.stderr, "stepdown: ") && strings.Count(r.stderr, "\n") == 1:
		return refused
	}
	return neitherOfBoth
}

// A place is where stepdown runs with an /etc of its own.
type place struct {
	t           *testing.T
	bin, work   string // where the program is, and the directory with etc
	environment []string
}

// newPlace makes one, with these files in its /etc.
func newPlace(t *testing.T, etc map[string]string) place {
	t.Helper()
	needRoot(t)
	bin, work := installed(t), workDir(t, etc)
	return place{t, bin, work, []string{
		"WORK=" + work,
		"PATH=" + bin + ":" + helpersDir(t) + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"STEPDOWN_TEST_THROWAWAY=" + os.Getenv("STEPDOWN_TEST_THROWAWAY"),
	}}
}

// run runs a command there.
func (p place) run(command ...string) run {
	p.t.Helper()
	got, err := runCommand(p.environment, append([]string{"sandbox"}, command...)...)
	if err != nil {
		p.t.Fatalf("%q: %v", command, err)
	}
	return got
}

// check runs a command there, and requires of it this standard output; or where
// that is empty, to be refused with this one line.
func (p place) check(stdout, refusal string, command ...string) {
	p.t.Helper()
	want := run{stdout: stdout}
	if stdout == "" {
		want = run{stderr: "stepdown: " + refusal + "\n", status: exitFailed}
	}
	if got := p.run(command...); got != want {
		p.t.Errorf("%q:\ngot  %+v\nwant %+v", command, got, want)
	}
}

// identity is what grep finds of one in /proc/self/status.
func identity(uid, gid int, groups ...int) string {
	return fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d\nGid:\t%[2]d\t%[2]d\t%[2]d\t%[2]d\nGroups:\t%s \n",
		uid, gid, strings.Trim(fmt.Sprint(groups), "[]"))
}

var showIdentity = []string{"grep", "-E", "^(Uid|Gid|Groups):", "/proc/self/status"}

// A read may give less than was asked for.
func TestShortReads(t *testing.T) {
	needNamespaces(t) // what trickle does takes CAP_SYS_PTRACE as well
	p := newPlace(t, map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\napple:x:10001:10001::/:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh",
		"group":  "root:x:0:\nvideo:x:44:apple\naudio:x:29:apple,app\napp:x:1001:\nlast:x:50:app",
	})
	for _, count := range []string{"1", "2", "7", "64"} {
		p.check(identity(1000, 1001, 29, 50, 1001), "", append([]string{"trickle", count, "stepdown", "app"}, showIdentity...)...)
		p.check(identity(1000, 50, 50), "", append([]string{"trickle", count, "stepdown", "1000:last"}, showIdentity...)...)
		p.check("", `user "nosuch" is not in /etc/passwd: add it there, or give a uid`, "trickle", count, "stepdown", "nosuch", "id")
	}
}

// Files that change while they are read: whoever the command is, the files said so
// at one moment.
func TestFilesChange(t *testing.T) {
	needNamespaces(t) // what meanwhile does takes CAP_SYS_PTRACE as well
	const (
		passwd    = "app:x:1000:1000::/:/bin/sh\n"
		newPasswd = "app:x:2000:2000::/:/bin/sh\n"
		group     = "video:x:44:app\n"
		newGroup  = "audio:x:29:app\n"
		// An entry that is read with the third read of its file or later.
		filler = "x:x:5000:5000::/:/bin/sh\n"
	)
	long := strings.Repeat(filler, 150000/len(filler))

	tests := []struct {
		name       string
		etc        map[string]string
		call, path string // before each such call
		script     string // this is run, where n counts them
		spec       string
		want       string // the identity, or else
		refusal    string
	}{
		{
			name: "passwd is replaced before it is read",
			etc:  map[string]string{"passwd": passwd, "group": group, "new": newPasswd},
			call: "read", path: passwdPath, script: `if [ $n = 1 ]; then mv /etc/new /etc/passwd; fi`,
			spec: "app", want: identity(2000, 2000, 44, 2000),
		},
		{
			name: "passwd is replaced in the middle",
			etc:  map[string]string{"passwd": long + passwd, "group": group, "new": long + newPasswd},
			call: "read", path: passwdPath, script: `if [ $n = 2 ]; then mv /etc/new /etc/passwd; fi`,
			spec: "app", want: identity(2000, 2000, 44, 2000),
		},
		{
			name: "both are replaced between them",
			etc:  map[string]string{"passwd": passwd, "group": group, "new": newPasswd, "newgroup": newGroup},
			call: "openat", path: groupPath, script: `if [ $n = 1 ]; then mv /etc/new /etc/passwd; mv /etc/newgroup /etc/group; fi`,
			spec: "app", want: identity(2000, 2000, 29, 2000),
		},
		{
			name: "group is replaced before it is read",
			etc:  map[string]string{"passwd": passwd, "group": group, "newgroup": newGroup},
			call: "read", path: groupPath, script: `if [ $n = 1 ]; then mv /etc/newgroup /etc/group; fi`,
			spec: "app", want: identity(1000, 1000, 29, 1000),
		},
		{
			// An empty file would mean: no entry, hence group 0.
			name: "passwd is rewritten in place",
			etc:  map[string]string{"passwd": passwd, "group": group, "new": newPasswd},
			call: "read", path: passwdPath, script: `case $n in 1) : >/etc/passwd;; 2) cat /etc/new >/etc/passwd;; esac`,
			spec: "2000", want: identity(2000, 2000, 44, 2000),
		},
		{
			name: "passwd is cut off in the middle",
			etc:  map[string]string{"passwd": long + passwd, "group": group, "new": long + newPasswd},
			call: "read", path: passwdPath, script: `case $n in 2) truncate -s 70000 /etc/passwd;; 4) cat /etc/new >/etc/passwd;; esac`,
			spec: "2000", want: identity(2000, 2000, 44, 2000),
		},
		{
			// What is there of the line would put app in the group of apple.
			name: "a line of group is written in two halves",
			etc:  map[string]string{"passwd": passwd, "group": group, "newgroup": "audio:x:29:apple\n"},
			call: "read", path: groupPath, script: `case $n in 1) printf audio:x:29:app >/etc/group;; 3) cat /etc/newgroup >/etc/group;; esac`,
			spec: "app", want: identity(1000, 1000, 1000),
		},
		{
			name: "passwd comes to be there",
			etc:  map[string]string{"group": group, "new": passwd},
			call: "openat", path: groupPath, script: `if [ $n = 1 ]; then mv /etc/new /etc/passwd; fi`,
			spec: "1000", want: identity(1000, 1000, 44, 1000),
		},
		{
			name: "passwd is removed",
			etc:  map[string]string{"passwd": passwd, "group": group},
			call: "read", path: passwdPath, script: `rm /etc/passwd`,
			spec: "app", refusal: `user "app" is not in /etc/passwd: add it there, or give a uid`,
		},
		{
			name: "it never ends",
			etc:  map[string]string{"passwd": passwd, "group": group},
			call: "read", path: passwdPath, script: `touch /etc/passwd`,
			spec:    "app",
			refusal: "/etc/passwd or /etc/group changed while they were read, 30 times in a row: have them left alone, and try again",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, tt.etc)
			script := `n=$(($(cat $WORK/n || echo 0) + 1)) 2>/dev/null; echo $n >$WORK/n; ` + tt.script
			p.check(tt.want, tt.refusal, append([]string{"meanwhile", tt.call, tt.path, script, "stepdown", tt.spec}, showIdentity...)...)
		})
	}
}

// What is no regular file is an error in the place of either, and is not waited
// for. Two are as if the file were missing, and a link to a file is the file.
func TestOtherFiles(t *testing.T) {
	p := newPlace(t, map[string]string{"elsewhere/passwd": "app:x:1000:1000::/:/bin/sh\n", "elsewhere/group": "app:x:1000:\n"})
	terminal, _ := openTerminal(t)
	link := func(target string) func(string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	socket := func(path string) error {
		listener, err := net.Listen("unix", path)
		if err == nil {
			t.Cleanup(func() { listener.Close() })
		}
		return err
	}
	const noFile = "not a regular file"
	tests := []struct {
		name    string
		make    func(path string) error
		refusal string // what the error says; empty where it is as if missing
	}{
		{"a FIFO", func(path string) error { return unix.Mkfifo(path, 0o644) }, noFile},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o755) }, noFile},
		{"a socket", socket, "no such device or address"},
		{"an endless device", link("/dev/zero"), noFile},
		{"an empty device", link("/dev/null"), noFile},
		{"a full device", link("/dev/full"), noFile},
		{"a terminal", link(terminal.Name()), noFile},
		{"its own link", link("passwd"), "too many levels of symbolic links"},
		{"a link into a file", link("/proc/version/x"), "not a directory"},
		{"a link to a FIFO", link(p.work + "/fifo"), noFile},
		{"a link that leads nowhere", link("nowhere"), ""},
		{"nothing", func(string) error { return nil }, ""},
	}
	if err := unix.Mkfifo(p.work+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		for name, missing := range map[string]string{
			"passwd": `user "app" is not in /etc/passwd: add it there, or give a uid`,
			"group":  `group "app" is not in /etc/group: add it there, or give a gid`,
		} {
			t.Run(tt.name+" for "+name, func(t *testing.T) {
				p := p
				p.t = t
				other := map[string]string{"passwd": "group", "group": "passwd"}[name]
				path, otherPath := filepath.Join(p.work, "etc", name), filepath.Join(p.work, "etc", other)
				if tt.name == "its own link" {
					tt.make = link(name)
				}
				if err := errors.Join(tt.make(path), os.Symlink("elsewhere/"+other, otherPath)); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := errors.Join(os.RemoveAll(path), os.Remove(otherPath)); err != nil {
						t.Error(err)
					}
				}()
				if tt.refusal == "" {
					p.check("", missing, "stepdown", "app:app", "id")
					return
				}
				p.check("", "open /etc/"+name+": "+tt.refusal, "stepdown", "app:app", "id")
				p.check("", "open /etc/"+name+": "+tt.refusal, "stepdown", "1000:1000", "id")
			})
		}
	}
}

// Standard streams that are closed become /dev/null for the command, in every
// combination. No file that stepdown opens takes the place of one, where the
// command would read it, or an error message would go into it.
func TestClosedStreams(t *testing.T) {
	etc := map[string]string{"passwd": "app:x:1000:1000::/:/bin/sh\n", "group": "app:x:1000:\n"}
	p := newPlace(t, etc)
	// A shell of the same user looks at the streams of a command that only waits:
	// root would need CAP_SYS_PTRACE for that.
	const look = `exec 9>$WORK/streams
		stepdown app sleep 1000 %s &
		until read -r name </proc/$!/comm && test "$name" = sleep; do :; done
		stepdown app sh -c '
			for fd in 0 1 2; do readlink /proc/$0/fd/$fd; done
			ls -l /proc/$0/fd | grep -E "/etc/(passwd|group)$"' $! >&9
		kill $!`
	for closed := range 8 {
		var redirect string
		want := ""
		for fd := range 3 {
			if closed>>fd&1 != 0 {
				redirect += fmt.Sprintf(" %d>&-", fd)
				want += "/dev/null\n"
			} else {
				redirect += fmt.Sprintf(" %d<>$WORK/stream%[1]d", fd)
				want += fmt.Sprintf("%s/stream%d\n", p.work, fd)
			}
		}
		got := p.run("sh", "-c", fmt.Sprintf(look, redirect))
		streams, err := os.ReadFile(p.work + "/streams")
		if err != nil || got != (run{}) || string(streams) != want {
			t.Errorf("closed %03b: %+v; the command has\n%swant\n%s%v", closed, got, streams, want, err)
		}

		// An error message goes where standard error goes, and nowhere else.
		if got := p.run("sh", "-c", `exec stepdown nosuch id`+redirect); got != (run{status: exitFailed}) {
			t.Errorf("closed %03b, an error: %+v", closed, got)
		}
		message := ""
		if closed>>2&1 == 0 {
			message = "stepdown: user \"nosuch\" is not in /etc/passwd: add it there, or give a uid\n"
		}
		for file, want := range map[string]string{
			"stream0": "", "stream1": "", "stream2": message,
			"etc/passwd": etc["passwd"], "etc/group": etc["group"],
		} {
			path := filepath.Join(p.work, file)
			if text, err := os.ReadFile(path); string(text) != want && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("closed %03b, an error: %s holds %q, %v, want %q", closed, file, text, err, want)
			}
			if strings.HasPrefix(file, "stream") {
				os.Remove(path)
			}
		}
	}
}

// Without /dev/null there is nothing to take the place of a closed stream, and
// nothing is run: the Go runtime sees to that, before any of our code runs.
func TestClosedStreamsNoDevice(t *testing.T) {
	needNamespaces(t)
	p := newPlace(t, map[string]string{"passwd": "app:x:1000:1000::/:/bin/sh\n", "group": ""})
	got := p.run("sh", "-c", `mount -t tmpfs none /dev; exec stepdown app echo ran <&-`)
	if got.stdout != "" || got.status != 2 || !strings.Contains(got.stderr, "/dev/null") {
		t.Errorf("got %+v", got)
	}
}

// clear is what stepdown says of a limit.
var clear = regexp.MustCompile(`^stepdown: (open /etc/(passwd|group): too many open files|` +
	`exec "/.*": uid 1000 has as many processes as its limit allows \(RLIMIT_NPROC, ulimit -u\))\n$`)

// Every limit at its lowest: prlimit(1). What most of them limit is not used; what
// the rest stops is the program itself, or what it was to do, and is said.
func TestLimits(t *testing.T) {
	p := newPlace(t, map[string]string{
		"passwd": "app:x:1000:1000::/:/bin/sh\n",
		"group":  "video:x:44:app\n",
	})
	step := append([]string{"stepdown", "--no-new-privs", "app"}, show...)
	want := p.run(step...)
	if want.status != 0 || !strings.HasPrefix(want.stdout, identity(1000, 1000, 44, 1000)) {
		t.Fatalf("without a limit: %+v", want)
	}
	limited := func(limit string) string {
		t.Helper()
		got := p.run(append([]string{"prlimit", "--" + limit}, step...)...)
		outcome := got.judge(want)
		// Where the limit keeps the program or the command from being loaded, or
		// the Go runtime from working, it is not stepdown that says so.
		if outcome == neitherOfBoth && got.status != 0 && !strings.Contains(got.stderr, "stepdown: ") {
			outcome = "did not come so far"
		}
		if strings.HasPrefix(outcome, "WRONG") || outcome == refused && !clear.MatchString(got.stderr) {
			t.Errorf("%s: %s: %+v", limit, outcome, got)
		}
		return outcome
	}

	for _, name := range []string{
		"core", "fsize", "locks", "memlock", "msgqueue", "nice", "rss", "rtprio", "rttime", "sigpending",
	} {
		if outcome := limited(name + "=0:0"); outcome != ranAsAsked {
			t.Errorf("%s: %s", name, outcome)
		}
	}
	for _, name := range []string{"as", "cpu", "data", "stack", "nofile", "nproc"} {
		t.Logf("%s at 0: %s", name, limited(name+"=0:0"))
	}

	// From nothing at all to enough, step by step.
	for _, ladder := range []struct {
		name        string
		step, steps int
	}{
		{"as", 50 << 20, 28},
		{"data", 4 << 20, 16},
		{"stack", 4 << 10, 40},
		{"nofile", 1, 8},
	} {
		outcomes := make(map[string]int)
		for i := range ladder.steps {
			outcomes[limited(fmt.Sprintf("%s=%d:%[2]d", ladder.name, ladder.step*i))]++
		}
		t.Logf("%s up to %d: %v", ladder.name, ladder.step*(ladder.steps-1), outcomes)
		if outcomes[ranAsAsked] == 0 {
			t.Errorf("%s: not even the highest one is enough: %v", ladder.name, outcomes)
		}
		if outcomes[ranAsAsked] == ladder.steps {
			t.Errorf("%s: not even the lowest one is too low", ladder.name)
		}
	}
}

// As many arguments as the kernel takes are handed on. Where HOME then makes the
// environment too long for them, it is said.
func TestLongestArguments(t *testing.T) {
	p := newPlace(t, map[string]string{
		"passwd": "app:x:1000:1000::/:/bin/sh\nfar:x:1000:1000::/" + strings.Repeat("f", 4000) + ":/bin/sh\n",
		"group":  "",
	})
	// One argument may have 128 KB: MAX_ARG_STRLEN of include/uapi/linux/binfmts.h.
	step := func(user string, length int) (run, error) {
		command := []string{"sandbox", "stepdown", user, "sh", "-c", `echo "$#"; for last; do :; done; echo "${#last}"`, "sh"}
		for ; length > 0; length -= 100_000 {
			command = append(command, strings.Repeat("a", min(length, 100_000)))
		}
		return runCommand(p.environment, command...)
	}
	longest, tooLong := 1, 8<<20
	for tooLong-longest > 1 {
		middle := (longest + tooLong) / 2
		switch _, err := step("app", middle); {
		case errors.Is(err, unix.E2BIG):
			tooLong = middle
		case err != nil:
			t.Fatal(err)
		default:
			longest = middle
		}
	}
	t.Logf("the longest arguments have %d bytes", longest)

	got, err := step("app", longest)
	want := run{stdout: fmt.Sprintf("%d\n%d\n", (longest+99_999)/100_000, (longest-1)%100_000+1)}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	got, err = step("far", longest)
	if err != nil || got.judge(want) != refused || got.status != exitNotExecutable ||
		!strings.Contains(got.stderr, ": the arguments and the environment are longer than the kernel takes: shorten them, ") {
		t.Errorf("got %+v, %v", got, err)
	}
}
