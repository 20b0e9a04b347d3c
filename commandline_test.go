// This file runs the built program with any command line, environment, passwd and
// group file, and holds what comes of it against a second reading of them all,
// which knows nothing of the program's own.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/moby/sys/user"
)

// FuzzCommandLine takes the arguments before the user, and the environment, one a
// line. Whatever they are, either the command runs as exactly who the model says,
// or nothing runs, the status is 125 to 127, and one line says why.
func FuzzCommandLine(f *testing.F) {
	needRoot(f)
	needNamespaces(f) // a container that has none may not look at other users' processes
	box := newBox(f)
	const (
		passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/bash\nme:x:4242:4343::/me:\nbad:x::0\nfour:x:4:4\n"
		group  = "root:x:0:\nvideo:x:44:app,me\naudio:x:29:app\nself:x:4343:\nbad:x:-1:bad\n"
	)
	for _, options := range []string{
		"", "--", "--print", "--if-root", "--no-new-privs", "--login-env", "--help", "-?", "-v", "--version=false", "-",
		"--cap-drop=ALL", "--cap-drop\nNET_RAW,cap_kill", "--cap-add=NET_BIND_SERVICE", "--cap-drop=all\n--cap-add=chown,CAP_Setpcap\n--no-new-privs",
		"--cap-add=KILL\n--cap-drop=KILL", "--cap-add=ALL", "--cap-add=SYS_RESOURCE", "--cap-add=nosuch",
		"--group-add=video,29", "--group-add\naudio\n--init-groups", "--keep-groups\n--print", "--group-add=,", "--group-add",
		"---\x1b[31m", "--=", "--if-root=false\n--if-root", "--print=1\n--print=T", "--print=maybe", "-=x", "--nosuch", "app", "app\n/linger",
	} {
		for _, spec := range []string{"app", "1000:video"} {
			f.Add(options, spec, "PATH=/\nHOME=/x\nA=b\nHOME=/y", passwd, group, true)
		}
		f.Add(options, "me", "USER=root", passwd, group, false)
	}
	for _, spec := range []string{
		"", ":", ":video", "0", "root", "0:44", "app:", "1000", "4711", "four", "bad", "app:bad", "nosuch", "app:nosuch",
		"-0", "+1", "#app", "4294967296", "2147483647:2147483647", "a:b:c", "app\x01", "4242:44", "4242:4343",
	} {
		for _, asRoot := range []bool{true, false} {
			f.Add("", spec, "", passwd, group, asRoot)
			f.Add("--login-env\n--init-groups", spec, "HOME\n=x\n\nA=1\nA=2", passwd, group, asRoot)
		}
	}
	f.Fuzz(func(t *testing.T, options, spec, environment, passwd, group string, asRoot bool) {
		in := input{passwd: passwd, group: group, caller: someone, bounding: box.bounding}
		if asRoot {
			in.caller = root
		}
		if options != "" {
			in.args = strings.Split(options, "\n")
		}
		in.args = append(in.args, spec, "/linger", "--print")
		for _, variable := range strings.Split(environment, "\n") {
			// GODEBUG can have the Go runtime trace, and a malformed GOMEMLIMIT
			// have it end, before this program begins.
			if !strings.HasPrefix(variable, "GO") {
				in.environment = append(in.environment, variable)
			}
		}
		if slices.ContainsFunc(slices.Concat(in.args, in.environment), func(s string) bool { return strings.Contains(s, "\x00") }) {
			t.Skip("no exec takes NUL")
		}
		if len(passwd) >= bufio.MaxScanTokenSize || len(group) >= bufio.MaxScanTokenSize {
			t.Skip("Docker's parser takes no such line")
		}

		// The built program is not instrumented for the fuzzer; this here is,
		// and leads it to what is new to it.
		if call, err := parseArguments(append([]string{"stepdown"}, in.args...)); err == nil {
			id, err := resolve(call.spec, call.groups, in.caller, strings.NewReader(passwd), strings.NewReader(group))
			if err == nil {
				id.environment(slices.Clone(in.environment), call.loginEnv)
			}
		}

		in.check(t, box.run(t, in))
	})
}

// An input is all that the program goes by.
type input struct {
	args, environment []string
	passwd, group     string
	caller            credentials
	bounding          uint64 // the bounding set, which is what root holds
}

// A result is what came of it. Where the command ran, status is its own, and the
// other two are what the kernel said while it did.
type result struct {
	status         int
	stdout, stderr string
	proc           map[string]string // /proc/PID/status
	environment    []string
}

const lingers = "lingers\n" // the standard output of testdata/linger

// A box is a directory that becomes the root of the program's file system. There
// is nothing else in it to run or to harm, whatever the command line says.
type box struct {
	dir      string
	bounding uint64
}

func newBox(f *testing.F) box {
	f.Helper()
	dir := workDir(f, map[string]string{"passwd": "", "group": ""})
	if err := os.Rename(filepath.Join(installed(f), "stepdown"), filepath.Join(dir, "stepdown")); err != nil {
		f.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-w", "-o", filepath.Join(dir, "linger"), "./testdata/linger")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		f.Fatalf("%v\n%s", err, out)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		f.Fatal(err)
	}
	bounding, err := strconv.ParseUint(statusLines(own)["CapBnd"], 16, 64)
	if err != nil {
		f.Fatal(err)
	}
	return box{dir, bounding}
}

// statusLines returns the lines of a /proc/PID/status by their names.
func statusLines(status []byte) map[string]string {
	lines := make(map[string]string)
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		lines[name] = strings.Join(strings.Fields(value), " ")
	}
	return lines
}

// run runs the program. Package os/exec would tidy up the environment.
func (b box) run(t *testing.T, in input) result {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(filepath.Join(b.dir, "etc/passwd"), []byte(in.passwd), 0o644))
	check(os.WriteFile(filepath.Join(b.dir, "etc/group"), []byte(in.group), 0o644))
	var theirs, ours [3]*os.File
	for i := range theirs {
		read, write, err := os.Pipe()
		check(err)
		theirs[i], ours[i] = write, read
		if i == 0 {
			theirs[i], ours[i] = read, write
		}
		defer ours[i].Close()
		check(ours[i].SetDeadline(time.Now().Add(time.Minute)))
	}
	var groups []uint32
	for _, gid := range in.caller.groups {
		groups = append(groups, uint32(gid))
	}
	process, err := os.StartProcess("/stepdown", append([]string{"stepdown"}, in.args...), &os.ProcAttr{
		Dir: "/", Env: in.environment, Files: theirs[:],
		Sys: &syscall.SysProcAttr{Chroot: b.dir, Credential: &syscall.Credential{
			Uid: uint32(in.caller.uid.real), Gid: uint32(in.caller.gid.real), Groups: groups,
		}},
	})
	for _, file := range theirs {
		check(file.Close())
	}
	if errors.Is(err, syscall.E2BIG) {
		t.Skip(err)
	}
	check(err)
	defer process.Kill()

	var got result
	buffer := make([]byte, len(lingers))
	n, err := io.ReadFull(ours[1], buffer)
	if got.stdout = string(buffer[:n]); got.stdout == lingers {
		proc := fmt.Sprintf("/proc/%d/", process.Pid)
		status, err := os.ReadFile(proc + "status")
		check(err)
		got.proc = statusLines(status)
		environment, err := os.ReadFile(proc + "environ")
		check(err)
		if len(environment) > 0 {
			got.environment = strings.Split(strings.TrimSuffix(string(environment), "\x00"), "\x00")
		}
	} else if err != io.EOF && err != io.ErrUnexpectedEOF {
		check(err)
	}
	check(ours[0].Close())
	rest, err := io.ReadAll(ours[1])
	check(err)
	got.stdout += string(rest)
	errs, err := io.ReadAll(ours[2])
	check(err)
	got.stderr = string(errs)
	ended, err := process.Wait()
	check(err)
	got.status = ended.ExitCode()
	return got
}

// check holds a result against the model.
func (in input) check(t *testing.T, got result) {
	t.Helper()
	want, refuse := in.model()
	ran := got.proc != nil
	switch {
	case got.status < 0 || got.status == 2:
		t.Errorf("ended by the Go runtime or a signal: %+v", got)
	case want.otherCommand:
	case got.status != 0:
		lines := strings.SplitAfter(got.stderr, "\n")
		if len(lines) == 3 && lines[1] == "usage: stepdown [options] user[:group] command [argument...]\n" {
			lines = slices.Delete(lines, 1, 2)
		}
		if got.status < exitFailed || got.status > exitNotFound || ran || got.stdout != "" ||
			len(lines) != 2 || !strings.HasPrefix(lines[0], "stepdown: ") || strings.ContainsFunc(lines[0][:len(lines[0])-1], unicode.IsControl) {
			t.Errorf("neither ran nor said why in one line: %+v", got)
		}
		if refuse == "" && !strings.HasSuffix(got.stderr, "correct or remove the line\n") {
			t.Errorf("refused: %swant %+v", got.stderr, want)
		}
	case refuse != "":
		t.Errorf("want it refused because %s, got %+v", refuse, got)
	case got.stderr != "":
		t.Errorf("wrote to standard error: %+v", got)
	case ran != (want.proc != nil):
		t.Errorf("the command ran: %v, want %+v", ran, want)
	case ran:
		for name, value := range want.proc {
			if got.proc[name] != value {
				t.Errorf("%s: got %q, want %q", name, got.proc[name], value)
			}
		}
		if !slices.Equal(got.environment, want.environment) {
			t.Errorf("environment: got %q, want %q", got.environment, want.environment)
		}
	case want.stdout != got.stdout && (want.stdout != "" || !strings.HasPrefix(got.stdout, "usage: stepdown ") && !strings.HasPrefix(got.stdout, "stepdown ")):
		t.Errorf("printed %q, want %q", got.stdout, want.stdout)
	}
}

// An expectation is what has to come of an input. Where the command is to run,
// proc has lines of its /proc/PID/status; otherwise stdout is what is printed, empty
// for the help and the version.
type expectation struct {
	proc         map[string]string
	environment  []string
	stdout       string
	otherCommand bool // there is another command than the one that can be looked at
}

// capabilityNames are those of capabilities(7), by number.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON
	BPF CHECKPOINT_RESTORE`)

// commandLine is what the model reads from one.
type commandLine struct {
	on        map[string]bool // options without a value
	groupAdd  []string
	add, drop uint64
	rest      []string // spec and command
}

// readCommandLine reads one in the way of package flag; bad is why it cannot be.
func readCommandLine(args []string) (c commandLine, bad string) {
	c.on = make(map[string]bool)
	for c.rest = args; len(c.rest) > 0; {
		name, isOption := strings.CutPrefix(c.rest[0], "-")
		if !isOption || name == "" {
			break
		}
		c.rest = c.rest[1:]
		name = strings.TrimPrefix(name, "-")
		if name == "" {
			break
		}
		name, value, hasValue := strings.Cut(name, "=")
		switch name {
		case "help", "h", "?", "version", "v", "if-root", "no-new-privs", "init-groups", "keep-groups", "login-env", "print":
			on := true
			if hasValue {
				var err error
				if on, err = strconv.ParseBool(value); err != nil {
					return c, "an option has a bad value"
				}
			}
			if long, isShort := map[string]string{"h": "help", "?": "help", "v": "version"}[name]; isShort {
				name = long
			}
			if before, given := c.on[name]; given && before != on && name != "help" && name != "version" {
				return c, "an option is contradicted"
			}
			c.on[name] = on
			continue
		case "group-add", "cap-add", "cap-drop":
		default:
			return c, "there is no such option"
		}
		if !hasValue {
			if len(c.rest) == 0 {
				return c, "a value is missing"
			}
			value, c.rest = c.rest[0], c.rest[1:]
		}
		for _, item := range strings.Split(value, ",") {
			upper := strings.ToUpper(item)
			number := slices.Index(capabilityNames, strings.TrimPrefix(upper, "CAP_"))
			switch {
			case item == "":
				return c, "a list has an empty item"
			case name == "group-add":
				c.groupAdd = append(c.groupAdd, item)
			case name == "cap-drop" && upper == "ALL":
				c.on["drop-all"] = true
			case number < 0:
				return c, "there is no such capability"
			case name == "cap-drop":
				c.drop |= 1 << number
			default:
				c.add |= 1 << number
			}
		}
	}
	switch {
	case c.add&c.drop != 0:
		return c, "a capability is added and dropped"
	case c.on["help"] || c.on["version"]:
	case len(c.rest) == 0, len(c.rest) == 1 && !c.on["print"]:
		return c, "there is no user or no command"
	}
	return c, ""
}

// model says what has to come of an input, or why it has to be refused.
func (in input) model() (want expectation, refuse string) {
	c, bad := readCommandLine(in.args)
	asksOnly, isRoot := c.on["help"] || c.on["version"], in.caller.uid.real == 0
	switch {
	case bad != "":
		return want, bad
	case asksOnly:
		return want, ""
	case !c.on["print"] && c.rest[1] != "/linger":
		want.otherCommand = true
		return want, ""
	case !c.on["print"] && c.on["if-root"] && !isRoot:
		want.environment = firsts(in.environment)
		want.proc = procStatus(in.caller.uid.real, in.caller.gid.real, in.caller.groups, 0, 0, in.bounding, false)
		return want, ""
	}

	id, refuse := in.identity(c)
	if refuse != "" {
		return want, refuse
	}
	dropped := c.drop
	if c.on["drop-all"] {
		dropped = ^c.add
	}
	if c.on["print"] {
		want.stdout = in.printed(id, c)
		return want, ""
	}

	set := []string{"HOME"}
	values := []string{"HOME=" + id.Home}
	if c.on["login-env"] {
		if id.Name == "" {
			return want, "there is no entry to log in by"
		}
		set = append(set, "USER", "LOGNAME", "SHELL")
		values = append(values, "USER="+id.Name, "LOGNAME="+id.Name, "SHELL="+cmp.Or(id.Shell, "/bin/sh"))
	}
	for _, variable := range firsts(in.environment) {
		if name, _, ok := strings.Cut(variable, "="); !ok || !slices.Contains(set, name) {
			want.environment = append(want.environment, variable)
		}
	}
	want.environment = append(want.environment, values...)

	held := in.bounding
	if !isRoot {
		held = 0
	}
	same := id.UID == in.caller.uid.real && id.GID == in.caller.gid.real && slices.Equal(id.Groups, in.caller.groups)
	switch {
	case strings.Contains(strings.Join(values, ""), "\x00"):
		return want, "no variable holds NUL"
	case !isRoot && !same:
		return want, "the caller has no privileges"
	case c.add&^held != 0:
		return want, "a capability is not there to be added"
	case !isRoot && dropped&in.bounding != 0:
		return want, "the caller cannot drop a capability"
	}
	bounding := in.bounding &^ dropped
	permitted := c.add
	if id.UID == 0 {
		permitted = bounding // the exec of root
	}
	want.proc = procStatus(id.UID, id.GID, id.Groups, c.add, permitted, bounding, c.on["no-new-privs"])
	return want, ""
}

// identity says who is meant, by Docker's parser on the lines that are well-formed.
func (in input) identity(c commandLine) (id Identity, refuse string) {
	spec := c.rest[0]
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if strings.Contains(groupPart, ":") || slices.ContainsFunc(append(c.groupAdd, userPart, groupPart), noNameBegins) {
		return id, "of a colon or a sign"
	}
	if userPart == "" && in.caller.uid.real == 0 {
		return id, "nobody asked for root"
	}
	passwd, group := wellFormed(in.passwd, 2, 3), wellFormed(in.group, 2)
	lookUp := func(spec string) (*user.ExecUser, error) {
		defaults := user.ExecUser{Uid: in.caller.uid.real, Gid: in.caller.gid.real, Home: "/"}
		return user.GetExecUser(spec, &defaults, strings.NewReader(strings.Join(passwd, "\n")), strings.NewReader(strings.Join(group, "\n")))
	}
	found, err := lookUp(spec)
	if err != nil {
		return id, err.Error()
	}
	groups := append([]int{found.Gid}, found.Sgids...)
	if c.on["init-groups"] {
		withoutGroup, err := lookUp(userPart)
		if err != nil {
			return id, err.Error()
		}
		groups = append(groups, withoutGroup.Sgids...)
	}
	for _, name := range c.groupAdd {
		number := name
		if !digits.MatchString(name) {
			i := slices.IndexFunc(group, func(line string) bool { return field(line, 0) == name })
			if i < 0 {
				return id, "there is no such group"
			}
			number = field(group[i], 2)
		}
		gid, err := strconv.Atoi(number)
		if err != nil || gid > maxID {
			return id, "a gid is out of range"
		}
		groups = append(groups, gid)
	}
	if c.on["keep-groups"] {
		groups = append(groups, in.caller.groups...)
	}
	id = Identity{UID: found.Uid, GID: found.Gid, Groups: unique(groups), Home: found.Home}
	for _, line := range passwd {
		byID := userPart == "" || digits.MatchString(userPart)
		if uid, _ := strconv.Atoi(field(line, 2)); byID && uid == found.Uid || !byID && field(line, 0) == userPart {
			id.Name, id.Shell = field(line, 0), field(line, 6)
			break
		}
	}
	return id, ""
}

// field is a field of a line, from 0; empty where there is none.
func field(line string, index int) string {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if index >= len(fields) {
		return ""
	}
	return fields[index]
}

// printed is what --print says.
func (in input) printed(id Identity, c commandLine) string {
	group := wellFormed(in.group, 2)
	withName := func(gid int) string {
		for _, line := range group {
			if other, _ := strconv.Atoi(field(line, 2)); other == gid {
				return fmt.Sprintf("%d(%s)", gid, field(line, 0))
			}
		}
		return strconv.Itoa(gid)
	}
	capabilities := func(set uint64) string {
		var names []string
		for number, name := range capabilityNames {
			if set>>number&1 == 1 {
				names = append(names, name)
			}
		}
		return strings.Join(names, ",")
	}
	var groups []string
	for _, gid := range id.Groups {
		groups = append(groups, withName(gid))
	}
	line := fmt.Sprintf("uid=%d", id.UID)
	if id.Name != "" {
		line += "(" + id.Name + ")"
	}
	line += " gid=" + withName(id.GID) + " groups=" + strings.Join(groups, ",") + " home=" + id.Home
	if c.add != 0 {
		line += " cap-add=" + capabilities(c.add)
	}
	if c.on["drop-all"] {
		line += " cap-drop=ALL"
	} else if c.drop != 0 {
		line += " cap-drop=" + capabilities(c.drop)
	}
	if c.on["no-new-privs"] {
		line += " no-new-privs"
	}
	return line + "\n"
}

// procStatus has what /proc/PID/status has for such a process.
func procStatus(uid, gid int, groups []int, added, permitted, bounding uint64, noNewPrivs bool) map[string]string {
	sorted := strings.Trim(fmt.Sprint(slices.Sorted(slices.Values(groups))), "[]")
	set := func(bits uint64) string { return fmt.Sprintf("%016x", bits) }
	status := map[string]string{
		"Uid": fmt.Sprintf("%d %[1]d %[1]d %[1]d", uid), "Gid": fmt.Sprintf("%d %[1]d %[1]d %[1]d", gid), "Groups": sorted,
		"CapInh": set(added), "CapPrm": set(permitted), "CapEff": set(permitted), "CapBnd": set(bounding), "CapAmb": set(added),
		"NoNewPrivs": "0",
	}
	if noNewPrivs {
		status["NoNewPrivs"] = "1"
	}
	return status
}

// firsts is an environment as the Go runtime hands it on: of variables of the
// same name the first, and no empty text.
func firsts(environment []string) []string {
	var kept []string
	seen := make(map[string]bool)
	for _, variable := range environment {
		name, _, isVariable := strings.Cut(variable, "=")
		if variable != "" && !(isVariable && seen[name]) {
			kept = append(kept, variable)
		}
		seen[name] = seen[name] || isVariable
	}
	return kept
}
