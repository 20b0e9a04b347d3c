package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// root is a caller as an entrypoint has it: uid 0 with groups of its own.
var root = credentials{groups: []int{0, 4, 27}}

// someone is a caller without privileges whom no corpus knows.
var someone = credentials{uid: ids{4242, 4242, 4242}, gid: ids{4343, 4343, 4343}, groups: []int{4343}}

// resolveIn resolves with the passwd and group file of a corpus.
func resolveIn(t testing.TB, corpus, spec string, caller credentials) (Identity, error) {
	t.Helper()
	passwd, err := os.Open(filepath.Join("testdata", corpus, "passwd"))
	if err != nil {
		t.Fatal(err)
	}
	defer passwd.Close()
	group, err := os.Open(filepath.Join("testdata", corpus, "group"))
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	return resolve(spec, groupOptions{}, caller, passwd, group)
}

func TestResolve(t *testing.T) {
	as := func(uid, gid int) credentials {
		return credentials{uid: ids{uid, uid, uid}, gid: ids{gid, gid, gid}}
	}
	tests := []struct {
		corpus, spec string
		caller       credentials
		want         Identity
	}{
		// A name with an entry.
		{"debian", "redis", root, Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "redis:", root, Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "nobody", root, Identity{65534, 65534, []int{65534}, "/nonexistent", "nobody", "/usr/sbin/nologin"}},
		{"debian", "www-data", root, Identity{33, 33, []int{33}, "/var/www", "www-data", "/usr/sbin/nologin"}},
		{"alpine", "redis", root, Identity{999, 1000, []int{1000}, "/home/redis", "redis", "/sbin/nologin"}},
		{"alpine", "daemon", root, Identity{2, 2, []int{2, 1, 4}, "/sbin", "daemon", "/sbin/nologin"}},

		// A uid with an entry: the first one, and the groups of its name.
		{"debian", "101", root, Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "1000", root, Identity{1000, 1000, []int{1000, 4, 27, 44, 998}, "/home/ops", "ops", "/bin/bash"}},
		{"debian", "ops2", root, Identity{1000, 1001, []int{1001, 50}, "/home/ops2", "ops2", "/bin/sh"}},
		{"debian", "00101", root, Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},

		// A uid without an entry: the caller's gid, and / for HOME.
		{"debian", "4711", root, Identity{4711, 0, []int{0}, "/", "", ""}},
		{"debian", "4711", as(5, 60), Identity{4711, 60, []int{60}, "/", "", ""}},
		{"debian", "4711:", root, Identity{4711, 0, []int{0}, "/", "", ""}},
		{"debian", "2147483647", root, Identity{2147483647, 0, []int{0}, "/", "", ""}},

		// user:group, where the group stands alone.
		{"debian", "redis:video", root, Identity{101, 44, []int{44}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "redis:redis", root, Identity{101, 102, []int{102}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "redis:4711", root, Identity{101, 4711, []int{4711}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "4711:video", root, Identity{4711, 44, []int{44}, "/", "", ""}},
		{"debian", "4711:4712", root, Identity{4711, 4712, []int{4712}, "/", "", ""}},
		{"debian", "redis:docker", root, Identity{101, 998, []int{998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "redis:0", root, Identity{101, 0, []int{0}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},

		// :group, for a caller with and without an entry.
		{"debian", ":video", as(101, 102), Identity{101, 44, []int{44}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", ":video", someone, Identity{4242, 44, []int{44}, "/", "", ""}},

		// Nothing, for a caller with and without an entry.
		{"debian", "", as(101, 7), Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", ":", as(101, 7), Identity{101, 102, []int{102, 44, 998}, "/var/lib/redis", "redis", "/usr/sbin/nologin"}},
		{"debian", "", someone, Identity{4242, 4343, []int{4343}, "/", "", ""}},

		// Root, asked for in each way that there is.
		{"debian", "root", root, Identity{0, 0, []int{0}, "/root", "root", "/bin/bash"}},
		{"debian", "0", root, Identity{0, 0, []int{0}, "/root", "root", "/bin/bash"}},
		{"debian", "0:0", root, Identity{0, 0, []int{0}, "/root", "root", "/bin/bash"}},
		{"debian", "0:redis", root, Identity{0, 102, []int{102}, "/root", "root", "/bin/bash"}},
		{"alpine", "root", root, Identity{0, 0, []int{0, 1, 2, 3, 4, 6, 10, 11, 20, 26, 27}, "/root", "root", "/bin/sh"}},
		{"edge", "toor", root, Identity{0, 2004, []int{2004}, "/toor", "toor", "/bin/sh"}},

		// A number is an id, also where a user or a group has it as its name.
		{"edge", "1000", root, Identity{1000, 0, []int{0}, "/", "", ""}},
		{"edge", "1000:1000", root, Identity{1000, 1000, []int{1000}, "/", "", ""}},
		{"edge", "5", root, Identity{5, 5, []int{5}, "/five", "1000", "/bin/sh"}},

		// Lines that are odd, but well-formed.
		{"edge", "app", root, Identity{2000, 2000, []int{2000}, "", "app", ""}},
		{"edge", "nohome", root, Identity{2001, 2001, []int{2001}, "", "nohome", ""}},
		{"edge", "spaced", root, Identity{2002, 2002, []int{2002}, "/spaced", "spaced", ""}},
		{"edge", "zero", root, Identity{2003, 2003, []int{2003}, "/zero", "zero", "/bin/sh"}},
		{"edge", "zero:zero", root, Identity{2003, 2106, []int{2106}, "/zero", "zero", "/bin/sh"}},
		{"edge", "max", root, Identity{2147483647, 2147483647, []int{2147483647}, "/max", "max", "/bin/sh"}},
		{"edge", "above16", root, Identity{65536, 65537, []int{65537}, "/a", "above16", "/bin/sh"}},
		{"edge", "a,b", root, Identity{2006, 2006, []int{2006}, "/", "a,b", "/bin/sh"}},
		{"edge", "Zoë", root, Identity{2007, 2007, []int{2007, 2105}, "/home/zoë", "Zoë", "/bin/sh"}},
		{"edge", "more:nomembers", root, Identity{2008, 2102, []int{2102}, "/more", "more", "/bin/sh"}},
		{"edge", "homespace", root, Identity{2009, 2009, []int{2009}, "/with space ", "homespace", "/bin/sh"}},
		{"edge", "crlf", root, Identity{2010, 2010, []int{2010}, "/crlf", "crlf", "/bin/sh"}},
		{"edge", "lastline", root, Identity{2011, 2011, []int{2011}, "/last", "lastline", "/bin/sh"}},
		{"edge", "many", root, Identity{
			2005, 2005,
			[]int{2005, 6, 2100, 65536, 2147483647, 2101, 2103, 2106},
			"/many", "many", "/bin/sh",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.corpus+" "+tt.spec, func(t *testing.T) {
			got, err := resolveIn(t, tt.corpus, tt.spec, tt.caller)
			checkIdentity(t, tt.spec, got, err, tt.want)
		})
	}
}

// checkIdentity fails unless resolve gave the identity that is wanted.
func checkIdentity(t *testing.T, spec string, got Identity, err error, want Identity) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", spec, err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got  %+v\nwant %+v", spec, got, want)
	}
}

// checkError fails unless resolve gave the error with the text that is wanted.
func checkError(t *testing.T, got Identity, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got %+v, want an error", got)
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestResolveErrors(t *testing.T) {
	const needsUser = " names no user, and the caller is root: refusing to stay root (an empty variable?): give a user, or 0 if root is meant"
	tests := []struct {
		corpus, spec string
		caller       credentials
		want         string
	}{
		{"debian", "nosuch", root, `user "nosuch" is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "redis:nosuch", root, `group "nosuch" is not in /etc/group: add it there, or give a gid`},
		{"debian", "REDIS", root, `user "REDIS" is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "redis ", root, `user "redis " is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "0x65", root, `user "0x65" is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "1000A", root, `user "1000A" is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "99999999999999999999A", root, `the spec "99999999999999999999A" has a name that begins with a number out of range: give its id`},
		{"debian", "redis:99999999999999999999A", root, `the spec "redis:99999999999999999999A" has a name that begins with a number out of range: give its id`},
		{"debian", "99999999999999999999 ", root, `the spec "99999999999999999999 " has a name that begins with a number out of range: give its id`},
		{"debian", "a\nb", root, `user "a\nb" is not in /etc/passwd: add it there, or give a uid`},
		{"debian", "redis:redis:redis", root, `the spec "redis:redis:redis" has more than one colon: want user[:group]`},
		{"debian", "::", root, `the spec "::" has more than one colon: want user[:group]`},

		// Nobody asked for root.
		{"debian", "", root, `the spec ""` + needsUser},
		{"debian", ":", root, `the spec ":"` + needsUser},
		{"debian", ":video", root, `the spec ":video"` + needsUser},
		{"debian", ":0", root, `the spec ":0"` + needsUser},

		// Out of range is neither another id nor a name.
		{"debian", "2147483648", root, `user "2147483648" is out of range: an id is a number from 0 to 2147483647`},
		{"debian", "4294967295", root, `user "4294967295" is out of range: an id is a number from 0 to 2147483647`},
		{"debian", "4294967296", root, `user "4294967296" is out of range: an id is a number from 0 to 2147483647`},
		{"debian", "18446744073709551616", root, `user "18446744073709551616" is out of range: an id is a number from 0 to 2147483647`},
		{"debian", "redis:4294967296", root, `group "4294967296" is out of range: an id is a number from 0 to 2147483647`},

		// Signs, which Docker's parser would take for a part of a number.
		{"debian", "-1", root, `user "-1" is neither a name nor an id: it begins with '-'`},
		{"debian", "-0", root, `user "-0" is neither a name nor an id: it begins with '-'`},
		{"debian", "+0", root, `user "+0" is neither a name nor an id: it begins with '+'`},
		{"debian", "redis:+0", root, `group "+0" is neither a name nor an id: it begins with '+'`},
		{"debian", "#101", root, `user "#101" is neither a name nor an id: it begins with '#'`},
	}
	for _, tt := range tests {
		t.Run(tt.corpus+" "+tt.spec, func(t *testing.T) {
			got, err := resolveIn(t, tt.corpus, tt.spec, tt.caller)
			checkError(t, got, err, tt.want)
		})
	}
}

// A read that fails is an error, however much was read before: what came last
// may be a part of a line, and app:x:1000:10 a part of app:x:1000:1000.
func TestResolveReadError(t *testing.T) {
	cut := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(unix.EIO))
	}
	tests := []struct {
		name          string
		passwd, group io.Reader
		want          string
	}{
		{"in the line", cut("app:x:1000:10"), strings.NewReader(""), "read /etc/passwd: input/output error"},
		{"before the line", cut("root:x:0:0\n"), strings.NewReader(""), "read /etc/passwd: input/output error"},
		{"in the group", strings.NewReader("app:x:1000:1000\n"), cut("video:x:4:app"), "read /etc/group: input/output error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolve("app", groupOptions{}, root, tt.passwd, tt.group)
			checkError(t, got, err, tt.want)
		})
	}
}

// The files are read no further than to what is needed of them, and not at all
// where nothing is.
func TestResolveReadsNoFurther(t *testing.T) {
	upTo := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("read on")))
	}
	for spec, files := range map[string]struct{ passwd, group string }{
		"app:video": {"app:x:1000:1000\n", "video:x:44:\n"},
		"1000:44":   {"app:x:1000:1000\n", "video:x:44:\n"},
	} {
		if _, err := resolve(spec, groupOptions{}, root, upTo(files.passwd), upTo(files.group)); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
	if _, err := resolve("4711", groupOptions{}, root, strings.NewReader(""), upTo("")); err != nil {
		t.Errorf("4711: %v", err)
	}
}

// A group that is named is found also where no line has the user.
func TestResolveGroupAdd(t *testing.T) {
	got, err := resolve("app", groupOptions{add: []string{"video"}}, root,
		strings.NewReader("app:x:1000:1000::/app:/bin/sh\n"), strings.NewReader("audio:x:29:\nvideo:x:44:\n"))
	checkIdentity(t, "app", got, err, Identity{1000, 1000, []int{1000, 44}, "/app", "app", "/bin/sh"})
}

// Neither the number of lines nor their length is a limit, in lines that the
// spec concerns and in others.
func TestResolveLongLines(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	passwd := "long:x:1:1:" + long + ":/:/bin/sh\n" + long + "\napp:x:1000:1000:" + long + ":/app:/bin/sh\n"
	var crowd strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&crowd, "user%d,", i)
	}
	group := long + "\nother:x:7:" + crowd.String() + "\nvideo:x:44:" + crowd.String() + "app," + crowd.String() + "\n"

	for spec, want := range map[string]Identity{
		"app":       {1000, 1000, []int{1000, 44}, "/app", "app", "/bin/sh"},
		"1000":      {1000, 1000, []int{1000, 44}, "/app", "app", "/bin/sh"},
		"app:video": {1000, 44, []int{44}, "/app", "app", "/bin/sh"},
		"app:other": {1000, 7, []int{7}, "/app", "app", "/bin/sh"},
		"5:6":       {5, 6, []int{6}, "/", "", ""},
	} {
		got, err := resolve(spec, groupOptions{}, root, strings.NewReader(passwd), strings.NewReader(group))
		checkIdentity(t, spec, got, err, want)
	}
}

// Each of the ids and each group counts, both when it is asked whether there is
// anything to apply and when what was applied is read back.
func TestDifference(t *testing.T) {
	id := Identity{UID: 101, GID: 102, Groups: []int{102, 44}}
	same := func() credentials {
		return credentials{uid: ids{101, 101, 101}, gid: ids{102, 102, 102}, groups: []int{44, 102}}
	}
	if err := id.difference(same()); err != nil {
		t.Errorf("no difference: got %v", err)
	}
	tests := []struct {
		name   string
		change func(*credentials)
		want   string
	}{
		{"real uid", func(c *credentials) { c.uid.real = 0 }, "the real, effective and saved uid are {0 101 101}, want {101 101 101}"},
		{"effective uid", func(c *credentials) { c.uid.effective = 0 }, "the real, effective and saved uid are {101 0 101}, want {101 101 101}"},
		{"saved uid", func(c *credentials) { c.uid.saved = 0 }, "the real, effective and saved uid are {101 101 0}, want {101 101 101}"},
		{"real gid", func(c *credentials) { c.gid.real = 0 }, "the real, effective and saved gid are {0 102 102}, want {102 102 102}"},
		{"effective gid", func(c *credentials) { c.gid.effective = 0 }, "the real, effective and saved gid are {102 0 102}, want {102 102 102}"},
		{"saved gid", func(c *credentials) { c.gid.saved = 0 }, "the real, effective and saved gid are {102 102 0}, want {102 102 102}"},
		{"a group more", func(c *credentials) { c.groups = append(c.groups, 0) }, "the supplementary groups are [0 44 102], want [44 102]"},
		{"a group less", func(c *credentials) { c.groups = c.groups[1:] }, "the supplementary groups are [102], want [44 102]"},
		{"no groups", func(c *credentials) { c.groups = nil }, "the supplementary groups are [], want [44 102]"},
		{"another group", func(c *credentials) { c.groups[0] = 45 }, "the supplementary groups are [45 102], want [44 102]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := same()
			tt.change(&c)
			err := id.difference(c)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzResolve resolves any spec by any two files.
func FuzzResolve(f *testing.F) {
	for _, corpus := range []string{"debian", "alpine", "edge"} {
		passwd, err := os.ReadFile(filepath.Join("testdata", corpus, "passwd"))
		if err != nil {
			f.Fatal(err)
		}
		group, err := os.ReadFile(filepath.Join("testdata", corpus, "group"))
		if err != nil {
			f.Fatal(err)
		}
		for _, spec := range []string{"redis", "1000", "redis:video", "many:", ":44", "", "0", "4711:4711", "-0", "+1"} {
			f.Add(string(passwd), string(group), spec)
		}
	}
	f.Add("app:x::1000\n", "app:x:a:app\n", "app")
	f.Add("app:x:4294967296:1\nb:x:1:4294967296", "#g:x:0:b\n:x:0:b", "b:4294967296")
	f.Fuzz(checkResolve)
}

// FuzzEntry resolves by files that are made of arbitrary fields, which hits the
// entries that a spec selects far more often than arbitrary files do.
func FuzzEntry(f *testing.F) {
	f.Add("app", "1000", "1000", "/app", "video", "44", "root,app")
	f.Add("app", "", "0x0", "", "", "4294967296", "app")
	f.Add("#a", "-0", "+0", " ", "+", " 0", ",")
	f.Add("1000", "007", "2147483648", "/\x00", "0", "00", "1000,\r")
	f.Fuzz(func(t *testing.T, name, uid, gid, home, group, groupID, members string) {
		passwd := name + ":x:" + uid + ":" + gid + "::" + home + ":/bin/sh\n" + "app:x:1000:1000::/app:/bin/sh\n"
		groups := group + ":x:" + groupID + ":" + members + "\n" + "video:x:44:" + name + ",app\n"
		for _, spec := range []string{name, uid, name + ":" + group, name + ":" + groupID, uid + ":" + group, ":" + group, "app"} {
			checkResolve(t, passwd, groups, spec)
		}
	})
}

// checkResolve holds resolve against a second reading of the files, as plain as
// can be, and against Docker's parser by itself on the lines that are well-formed.
func checkResolve(t *testing.T, passwd, group, spec string) {
	goodPasswd, goodGroup := wellFormed(passwd, 2, 3), wellFormed(group, 2)
	got, err := resolve(spec, groupOptions{}, someone, strings.NewReader(passwd), strings.NewReader(group))
	if err == nil {
		checkZeroWasGiven(t, got, spec, goodPasswd, goodGroup)
	}

	// Docker's parser has nothing to say where resolve is stricter: on
	// malformed entries, on signs, on a second colon.
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if noNameBegins(userPart) || noNameBegins(groupPart) || strings.Contains(groupPart, ":") ||
		err != nil && strings.HasSuffix(err.Error(), "correct or remove the line") {
		return
	}
	defaults := user.ExecUser{Uid: someone.uid.real, Gid: someone.gid.real, Home: "/"}
	want, wantErr := user.GetExecUser(spec, &defaults,
		strings.NewReader(strings.Join(goodPasswd, "\n")), strings.NewReader(strings.Join(goodGroup, "\n")))
	switch {
	case errors.Is(wantErr, bufio.ErrTooLong):
		// There it ends on a long line.
	case (err == nil) != (wantErr == nil):
		t.Errorf("%q: error %v, Docker's parser %v", spec, err, wantErr)
	case err == nil:
		groups := unique(append([]int{want.Gid}, want.Sgids...))
		if got.UID != want.Uid || got.GID != want.Gid || !slices.Equal(got.Groups, groups) || got.Home != want.Home {
			t.Errorf("%q: got %+v, Docker's parser %+v", spec, got, *want)
		}
	}
}

var (
	named  = regexp.MustCompile(`(?s)^[^#+-]`)
	digits = regexp.MustCompile(`^[0-9]+$`)
	zeros  = regexp.MustCompile(`^0+$`)
)

// wellFormed returns the lines of a file that have a name, and an id in each of
// these fields.
func wellFormed(file string, idFields ...int) []string {
	var good []string
lines:
	for _, line := range strings.Split(file, "\n") {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if !named.MatchString(fields[0]) {
			continue
		}
		for _, i := range idFields {
			if i >= len(fields) || !digits.MatchString(fields[i]) {
				continue lines
			}
			if id, ok := new(big.Int).SetString(fields[i], 10); !ok || id.Cmp(big.NewInt(maxID)) > 0 {
				continue lines
			}
		}
		good = append(good, line)
	}
	return good
}

// checkZeroWasGiven fails where got has a uid or a gid of 0 that neither the
// spec nor a well-formed line gave it. The caller, who is someone, has none.
func checkZeroWasGiven(t *testing.T, got Identity, spec string, passwd, group []string) {
	t.Helper()
	isZero := zeros.MatchString
	inField := func(lines []string, index int) bool {
		return slices.ContainsFunc(lines, func(line string) bool {
			return isZero(strings.Split(strings.TrimSpace(line), ":")[index])
		})
	}
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if got.UID == 0 && !isZero(userPart) && !inField(passwd, 2) {
		t.Errorf("uid 0 from nowhere: %+v", got)
	}
	if (got.GID == 0 || slices.Contains(got.Groups, 0)) && !isZero(groupPart) && !inField(passwd, 3) && !inField(group, 2) {
		t.Errorf("gid 0 from nowhere: %+v", got)
	}
}
