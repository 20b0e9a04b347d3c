// This file stands in front of Docker's parser of /etc/passwd and /etc/group
// and lets through only the lines that concern a spec, and only well-formed
// ones. That parser reads an id that is no number as 0, which is root, hands
// back ids past 32 bits, which the kernel cuts to 0, and fails on a long line
// anywhere in the file. What it gets from here can do none of that to it.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	passwdPath = "/etc/passwd"
	groupPath  = "/etc/group"
)

// maxID is the highest id, as in Docker. The kernel's go further, up to the one
// that means "leave it as it is" to the set calls.
const maxID = math.MaxInt32

// A selector is one half of a spec: it selects entries by id or else by name.
type selector struct {
	byID bool
	id   int
	name string
}

// parseSelector reads one half of a spec, which is not empty; kind is "user" or
// "group". All digits are an id and never a name, also where an entry has that
// name (CVE-2016-3697) and where the number is out of range (CVE-2026-46680).
func parseSelector(kind, text string) (selector, error) {
	id, err := parseID([]byte(text))
	switch {
	case err == nil:
		return selector{byID: true, id: id}, nil
	case errors.Is(err, strconv.ErrRange):
		return selector{}, fmt.Errorf("%s %s is out of range: an id is a number from 0 to %d", kind, quote(text), maxID)
	case noNameBegins(text):
		// Docker's parser would take +5 for the id 5, and -0 for root.
		return selector{}, fmt.Errorf("%s %s is neither a name nor an id: it begins with %q", kind, quote(text), text[0])
	}
	return selector{name: text}, nil
}

// parseID reads an id: digits alone, from 0 to maxID. Errors are
// strconv.ErrSyntax and strconv.ErrRange.
func parseID(text []byte) (int, error) {
	// ParseUint reports a range error before it sees a letter further on.
	if bytes.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, strconv.ErrSyntax
	}
	id, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	return int(id), nil
}

// noNameBegins tells whether text begins with a character that marks comments
// (#) and the NIS directives (+ and -) of these files: passwd(5), nsswitch.conf(5).
func noNameBegins(text string) bool {
	return strings.IndexAny(text, "#+-") == 0
}

// needle is a text that each line has that s selects, as have others.
func (s selector) needle() []byte {
	if s.byID {
		return strconv.AppendInt(nil, int64(s.id), 10) // zeros may stand before it
	}
	return []byte(s.name)
}

// selects tells whether the entry is meant that has this name and this id
// field. A field that is no id equals none.
func (s selector) selects(name, idField []byte) bool {
	if !s.byID {
		return string(name) == s.name
	}
	id, err := parseID(idField)
	return err == nil && id == s.id
}

// A passwdEntry is what is needed of a line of /etc/passwd.
type passwdEntry struct {
	name     string
	uid, gid int
	home     string
	shell    string
}

// line writes the entry for Docker's parser; nothing where there is no entry. The
// parser trims white space from both ends of a line; the last colon keeps it from
// trimming home.
func (e passwdEntry) line() string {
	if e.name == "" {
		return ""
	}
	return fmt.Sprintf("%s:x:%d:%d::%s:\n", e.name, e.uid, e.gid, e.home)
}

// selectUser returns the first entry that s selects, one without a name where
// there is none. A malformed one is an error, not skipped in favour of a later one.
func selectUser(passwd io.Reader, s selector) (passwdEntry, error) {
	lines := newLines(passwdPath, passwd, s.needle())
	for lines.next() {
		if !s.selects(lines.field(0), lines.field(2)) {
			continue
		}
		if err := lines.checkName(); err != nil {
			return passwdEntry{}, err
		}
		uid, err := lines.checkID(2, "uid")
		if err != nil {
			return passwdEntry{}, err
		}
		gid, err := lines.checkID(3, "gid")
		if err != nil {
			return passwdEntry{}, err
		}
		home := lines.field(5)
		if len(home) >= unix.PathMax || bytes.IndexByte(home, 0) >= 0 {
			return passwdEntry{}, lines.malformed(5, "home", fmt.Sprintf("a path of less than %d bytes without NUL", unix.PathMax))
		}
		return passwdEntry{
			name: string(lines.field(0)),
			uid:  uid, gid: gid,
			home:  string(home),
			shell: string(lines.field(6)),
		}, nil
	}
	return passwdEntry{}, lines.err()
}

// selectGroups returns the lines that concern a spec, for Docker's parser: the
// first one that each of wanted selects, and all that list member, unless that is
// empty. A malformed one among them is an error.
func selectGroups(group io.Reader, wanted []selector, member string) (string, error) {
	wanted = slices.Clone(wanted)
	var needles [][]byte
	for _, s := range wanted {
		needles = append(needles, s.needle())
	}
	if member != "" {
		needles = append(needles, []byte(member))
	}
	var selected strings.Builder
	lines := newLines(groupPath, group, needles...)
	for (member != "" || len(wanted) > 0) && lines.next() {
		name, id := lines.field(0), lines.field(2)
		left := slices.DeleteFunc(wanted, func(s selector) bool { return s.selects(name, id) })
		listed := member != "" && lists(lines.field(3), member)
		if len(left) == len(wanted) && !listed {
			continue
		}
		wanted = left
		if err := lines.checkName(); err != nil {
			return "", err
		}
		gid, err := lines.checkID(2, "gid")
		if err != nil {
			return "", err
		}
		// Of the members, only the one that matters, so that the parser meets
		// no long line. The last colon keeps it from trimming that one.
		var members string
		if listed {
			members = member
		}
		fmt.Fprintf(&selected, "%s:x:%d:%s:\n", name, gid, members)
	}
	return selected.String(), lines.err()
}

// groupNames returns the names of gids: the first that a well-formed line has, and
// empty where none has one.
func groupNames(group io.Reader, gids []int) (map[int]string, error) {
	names := make(map[int]string, len(gids))
	for _, gid := range gids {
		names[gid] = ""
	}
	lines := newLines(groupPath, group)
	for lines.next() {
		gid, err := parseID(lines.field(2))
		if name, wanted := names[gid]; err == nil && wanted && name == "" && lines.checkName() == nil {
			names[gid] = string(lines.field(0))
		}
	}
	return names, lines.err()
}

// lists tells whether a group's list of members, separated by commas, holds member.
func lists(members []byte, member string) bool {
	for m := range bytes.SplitSeq(members, []byte(",")) {
		if string(m) == member {
			return true
		}
	}
	return false
}

// lines reads a file of the kind of /etc/passwd line by line, of any length.
type lines struct {
	path    string
	scanner *bufio.Scanner
	needles [][]byte
	ahead   int // bytes, of a block with a needle, that are not handed out yet
	number  int // of the present line, from 1
	text    []byte
	ended   bool // it has a newline: the last line of a file need not
}

// newLines reads the lines of file that have one of the needles, and some others;
// without needles all.
func newLines(path string, file io.Reader, needles ...[]byte) *lines {
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 0, 64<<10), math.MaxInt)
	l := &lines{path: path, scanner: scanner, needles: needles}
	scanner.Split(l.split)
	return l
}

// split is a bufio.SplitFunc for lines. A block of lines, as many as have been
// read, is passed over as a whole where it has none of the needles: to search a
// block takes a fraction of the time that it takes to look at each of its lines.
func (l *lines) split(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if l.ahead == 0 {
		block := data
		if !atEOF {
			block = data[:bytes.LastIndexByte(data, '\n')+1]
		}
		if !l.concerns(block) {
			l.number += bytes.Count(block, []byte("\n"))
			return len(block), nil, nil
		}
		l.ahead = len(block)
	}
	advance, line, err = bufio.ScanLines(data, atEOF)
	l.ahead -= advance
	l.ended = advance > len(line)
	return advance, line, err
}

// concerns tells whether a block has to be looked at line by line.
func (l *lines) concerns(block []byte) bool {
	return len(block) > 0 && (l.needles == nil ||
		slices.ContainsFunc(l.needles, func(needle []byte) bool { return bytes.Contains(block, needle) }))
}

// next goes on to the next line that is not blank. White space at its ends is
// trimmed as Docker's parser does. A line that a failed read may have cut short
// is not handed out.
func (l *lines) next() bool {
	for l.scanner.Scan() && l.scanner.Err() == nil {
		l.number++
		l.text = bytes.TrimSpace(l.scanner.Bytes())
		if len(l.text) > 0 {
			return true
		}
	}
	return false
}

// err is the error that ended the reading early, if any.
func (l *lines) err() error {
	if err := l.scanner.Err(); err != nil {
		return fmt.Errorf("read %s: %w", l.path, err)
	}
	return nil
}

// field returns the field at index, from 0; nil where the line ends before it.
func (l *lines) field(index int) []byte {
	rest := l.text
	for ; index > 0; index-- {
		colon := bytes.IndexByte(rest, ':')
		if colon < 0 {
			return nil
		}
		rest = rest[colon+1:]
	}
	field, _, _ := bytes.Cut(rest, []byte(":"))
	return field
}

// checkName fails where the first field cannot be a name.
func (l *lines) checkName() error {
	if name := string(l.field(0)); name == "" || noNameBegins(name) {
		return l.malformed(0, "name", `a name that does not begin with "#", "+" or "-"`)
	}
	return nil
}

// checkID returns the id in the field at index. It must not be the very end of
// the file: of 1001, a full disk or a writer who is not done yet may have left 10.
func (l *lines) checkID(index int, kind string) (int, error) {
	id, err := parseID(l.field(index))
	if err != nil {
		return 0, l.malformed(index, kind, fmt.Sprintf("a number from 0 to %d", maxID))
	}
	if !l.ended && bytes.Count(l.text, []byte(":")) == index {
		return 0, l.malformed(index, kind, "a newline or a colon behind it, because the file ends there, and the number may be cut short")
	}
	return id, nil
}

// malformed is the error for the present line's field at index.
func (l *lines) malformed(index int, kind, want string) error {
	is := "missing"
	if field := l.field(index); field != nil {
		is = quote(field)
	}
	return fmt.Errorf("%s line %d: field %d (%s) is %s, want %s: correct or remove the line",
		l.path, l.number, index+1, kind, is, want)
}

// A database is an open file. It is no os.File because opening one of those
// starts Go's network poller, which takes longer than all the rest.
type database struct {
	fd     int // -1 where the file is missing
	path   string
	status unix.Stat_t // when it was opened
}

// openDatabase opens a file of the kind of /etc/passwd. One that is missing is
// as if it were empty, as in Docker; anything else that is no regular file is
// an error. O_NONBLOCK is so that opening a FIFO does not wait for a writer. The
// file is closed by the exec.
func openDatabase(path string) (database, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == unix.ENOENT {
		return database{fd: -1, path: path}, nil
	}
	if err != nil {
		return database{}, fmt.Errorf("open %s: %w", path, err)
	}
	d := database{fd: fd, path: path}
	if err := unix.Fstat(fd, &d.status); err != nil {
		return database{}, fmt.Errorf("stat %s: %w", path, err)
	}
	if d.status.Mode&unix.S_IFMT != unix.S_IFREG {
		return database{}, fmt.Errorf("open %s: not a regular file", path)
	}
	return d, nil
}

// changed tells whether what is at the path is not what was opened, or was
// written to since. A write moves the time of change on, but only by ticks of the
// kernel's clock, before Linux 6.13: one of the same length within the tick in
// which the file was opened and written to before can go unnoticed there.
func (d database) changed() (bool, error) {
	var now unix.Stat_t
	err := unix.Stat(d.path, &now)
	if err == unix.ENOENT {
		return d.fd >= 0, nil
	}
	if err != nil {
		return false, fmt.Errorf("stat %s: %w", d.path, err)
	}
	// All of these are 0 for one that was missing.
	return now.Dev != d.status.Dev || now.Ino != d.status.Ino || now.Size != d.status.Size || now.Ctim != d.status.Ctim, nil
}

// close is for a file that is to be opened again.
func (d database) close() {
	if d.fd >= 0 {
		unix.Close(d.fd)
	}
}

func (d database) Read(buffer []byte) (int, error) {
	if d.fd < 0 {
		return 0, io.EOF
	}
	for {
		n, err := unix.Read(d.fd, buffer)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
