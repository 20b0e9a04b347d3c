//go:build docker

// This file holds stepdown against docker run --user: in the same image, each
// spec of a corpus has to give the same uid, gid, groups and HOME by both, or to
// be refused by both. Where they differ, the difference is on a list with its
// reason and its number, and README has the same list.
package main

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An image's passwd and group file, and what is asked of them.
type parityImage struct {
	name          string
	passwd, group string // noFile where the image has none
	specs         []string
}

const noFile = "\x00"

// An outcome is what came of a spec.
type outcome struct {
	uid, gid, groups, home string // lines of /proc/self/status, and HOME
	refused                string // why there is no identity, otherwise empty
}

func (o outcome) String() string {
	if o.refused != "" {
		return "refused: " + o.refused
	}
	return fmt.Sprintf("%s; %s; %s; HOME=%q", o.uid, o.gid, o.groups, o.home)
}

func (o outcome) same(other outcome) bool {
	if o.refused != "" || other.refused != "" {
		return o.refused != "" && other.refused != ""
	}
	return o == other
}

// A difference is one that is meant, with the number of specs of the corpus that
// show it.
type difference struct {
	reason string
	count  int
	is     func(image parityImage, spec string, docker, stepdown outcome) bool
}

// differences are tried from the first to the last. Their numbers are those of
// the Docker engine in Debian 12.
var differences = []difference{
	{"no user is named, and the result would be root", 11, func(_ parityImage, spec string, docker, stepdown outcome) bool {
		return (spec == "" || spec[0] == ':') && docker.uid == "Uid: 0 0 0 0" && strings.Contains(stepdown.refused, "names no user")
	}},
	{"there is more than one colon", 6, func(_ parityImage, spec string, docker, stepdown outcome) bool {
		return strings.Count(spec, ":") > 1 && docker.refused == "" && strings.Contains(stepdown.refused, "has more than one colon")
	}},
	{"an id has a sign, or a name is a comment or a NIS directive", 7, func(_ parityImage, spec string, docker, stepdown outcome) bool {
		return docker.refused == "" && strings.Contains(stepdown.refused, "is neither a name nor an id: it begins with")
	}},
	{"an entry that the spec selects has a malformed id", 43, func(_ parityImage, spec string, docker, stepdown outcome) bool {
		return docker.refused == "" && malformedID.MatchString(stepdown.refused)
	}},
	{"an entry that the spec selects has no name", 7, func(_ parityImage, spec string, docker, stepdown outcome) bool {
		return docker.refused == "" && malformedName.MatchString(stepdown.refused)
	}},
	{"a line is longer than 64 KB", 5, func(image parityImage, spec string, docker, stepdown outcome) bool {
		return image.hasLongLine() && strings.Contains(docker.refused, "token too long") && stepdown.refused == ""
	}},
	{"a group has a number for its name, and that is one of the gids", 24, func(image parityImage, spec string, docker, stepdown outcome) bool {
		return docker.uid == stepdown.uid && docker.gid == stepdown.gid && (docker.home == stepdown.home || docker.home == image.homeOf(docker.uid)) &&
			docker.groups != stepdown.groups && image.namesTaken(docker.groups, stepdown.groups)
	}},
	{"another entry with the same uid comes first", 32, func(image parityImage, spec string, docker, stepdown outcome) bool {
		return docker.uid == stepdown.uid && docker.gid == stepdown.gid && docker.groups == stepdown.groups && image.homeOf(docker.uid) == docker.home
	}},
}

var (
	malformedID   = regexp.MustCompile(`line \d+: field \d \([ug]id\) is .* correct or remove the line$`)
	malformedName = regexp.MustCompile(`line \d+: field 1 \(name\) is .* correct or remove the line$`)
)

// namesTaken tells whether docker's groups are stepdown's, but for some that runc
// takes for the names of other groups.
func (i parityImage) namesTaken(docker, stepdown string) bool {
	theirs, ours := strings.Fields(docker), strings.Fields(stepdown)
	for line := range strings.Lines(i.group) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if slices.Contains(ours, fields[0]) {
			other := func(group string) bool { return group == fields[0] || group == fields[2] }
			theirs, ours = slices.DeleteFunc(theirs, other), slices.DeleteFunc(ours, other)
		}
	}
	return slices.Equal(theirs, ours)
}

func (i parityImage) hasLongLine() bool { return len(i.passwd) > 1<<16 }

// homeOf returns the home of the first entry that has the uid of a line of
// /proc/self/status, and / where none has.
func (i parityImage) homeOf(uidLine string) string {
	uid, _ := strconv.Atoi(strings.Fields(uidLine)[1])
	for line := range strings.Lines(i.passwd) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 6 {
			continue
		}
		if id, err := strconv.Atoi(fields[2]); err == nil && id == uid {
			return fields[5]
		}
	}
	return "/"
}

// TestDockerParity asks docker run --user and stepdown the same.
func TestDockerParity(t *testing.T) {
	version, err := docker("version", "--format", "{{.Server.Version}}")
	if err != nil {
		t.Fatal(err)
	}
	images, asked, alike := 0, 0, 0
	counts := make([]int, len(differences))
	for _, image := range parityImages(t) {
		images++
		build := buildImage(t, parityFiles(image, "/etc/"))
		theirs := askDocker(t, build, image.specs)
		if image.hasLongLine() {
			// Docker starts no container at all from this image. In this one the
			// file gets to its place later.
			build = buildImage(t, parityFiles(image, "/late/"))
		}
		ours := askStepdown(t, build, len(image.specs))

		for i, spec := range image.specs {
			asked++
			if ours[i].same(theirs[i]) {
				alike++
				continue
			}
			known := slices.IndexFunc(differences, func(d difference) bool { return d.is(image, spec, theirs[i], ours[i]) })
			if known < 0 {
				t.Errorf("%s, %q:\n  docker   %v\n  stepdown %v", image.name, spec, theirs[i], ours[i])
				continue
			}
			counts[known]++
		}
	}

	t.Logf("%d specs, %d alike, by Docker %s", asked, alike, strings.TrimSpace(version))
	if asked < 500 {
		t.Errorf("%d specs are too few", asked)
	}
	expected := 0
	for i, d := range differences {
		expected += d.count
		t.Logf("%4d differ: %s", counts[i], d.reason)
		if strings.HasPrefix(version, "20.10.") && counts[i] != d.count || counts[i] > d.count {
			t.Errorf("%s: %d specs differ, want %d", d.reason, counts[i], d.count)
		}
	}
	checkParityReadme(t, images, asked, asked-expected)
}

// checkParityReadme fails where README has other numbers than the corpus and the
// list of differences.
func checkParityReadme(t *testing.T, images, asked, alike int) {
	t.Helper()
	section := readmeSection(t, "Differences from docker run --user")
	for _, want := range []string{fmt.Sprintf(" %d images: %d specs, ", images, asked), fmt.Sprintf(" %d give\n", alike)} {
		if !strings.Contains(section, want) {
			t.Errorf("README does not have %q", want)
		}
	}
	var counts []string
	for _, d := range differences {
		counts = append(counts, strconv.Itoa(d.count))
	}
	var rows []string
	for _, row := range regexp.MustCompile(`(?m)\| (\d+) \|$`).FindAllStringSubmatch(section, -1) {
		rows = append(rows, row[1])
	}
	if !slices.Equal(rows, counts) {
		t.Errorf("README has the differences %v, want %v", rows, counts)
	}
}

// parityFiles are the files from which an image is built, with its passwd and
// group file in directory.
func parityFiles(image parityImage, directory string) map[string]string {
	dockerfile := "FROM debian:bookworm-slim\nRUN rm /etc/passwd /etc/group\nCOPY stepdown show ask specs /usr/local/bin/\n"
	files := map[string]string{
		// The shell alone, without a program that takes time to start.
		"show": `#!/bin/sh
while read -r key value; do
	case $key in Uid: | Gid: | Groups:) echo "$key" $value ;; esac
done </proc/self/status
printf 'HOME=%s|\n' "${HOME-(unset)}"
`,
		"ask": `#!/bin/sh
if test -d /late; then cp /late/* /etc/; fi
while IFS= read -r spec; do
	stepdown -- "$spec" show 2>&1
	echo "status $?"
done </usr/local/bin/specs
`,
		"specs": strings.Join(image.specs, "\n") + "\n",
	}
	for name, content := range map[string]string{"passwd": image.passwd, "group": image.group} {
		if content != noFile {
			files[name] = content
			dockerfile += "COPY " + name + " " + directory + "\n"
		}
	}
	files["Dockerfile"] = dockerfile
	return files
}

// dockerRefusal is what Docker says of a spec that it does not take.
var dockerRefusal = regexp.MustCompile(`^docker: Error response from daemon: (unable to find (user|group) .*: (no matching entries in (passwd|group) file|bufio\.Scanner: token too long)|uids and gids must be in range 0-2147483647|.*: unable to setup user: .*)$`)

// askDocker has docker run --user answer, with one container for each spec.
func askDocker(t *testing.T, image string, specs []string) []outcome {
	t.Helper()
	answers := make([]outcome, len(specs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := range next {
				// The host's network takes less time than none.
				run := exec.Command("docker", "run", "--rm", "--network", "host", "--user="+specs[i], image, "show")
				var stderr strings.Builder
				run.Stderr = &stderr
				out, err := run.Output()
				if err == nil {
					answers[i] = readOutcome(t, string(out))
					continue
				}
				answers[i].refused, _, _ = strings.Cut(stderr.String(), "\n")
				if !dockerRefusal.MatchString(answers[i].refused) {
					t.Errorf("docker run --user=%s: %v: %s", specs[i], err, &stderr)
				}
			}
		})
	}
	for i := range specs {
		next <- i
	}
	close(next)
	workers.Wait()
	return answers
}

// askStepdown has stepdown answer, as root in one container, all the image's specs.
func askStepdown(t *testing.T, image string, count int) []outcome {
	t.Helper()
	out, err := docker("run", "--rm", "--network", "none", "--user", "0:0", image, "ask")
	if err != nil {
		t.Fatal(err)
	}
	var answers []outcome
	var lines strings.Builder
	for line := range strings.Lines(out) {
		status, isLast := strings.CutPrefix(line, "status ")
		switch {
		case !isLast:
			lines.WriteString(line)
			continue
		case status == "0\n":
			answers = append(answers, readOutcome(t, lines.String()))
		case status == strconv.Itoa(exitFailed)+"\n":
			answers = append(answers, outcome{refused: strings.TrimSpace(lines.String())})
		default:
			t.Errorf("status %s after %s", status, &lines)
		}
		lines.Reset()
	}
	if len(answers) != count {
		t.Fatalf("%d answers to %d specs", len(answers), count)
	}
	return answers
}

// readOutcome reads what show prints.
func readOutcome(t *testing.T, text string) outcome {
	var o outcome
	scanner := bufio.NewScanner(strings.NewReader(text))
	for _, line := range []struct {
		begin string
		value *string
	}{{"Uid:", &o.uid}, {"Gid:", &o.gid}, {"Groups:", &o.groups}, {"HOME=", &o.home}} {
		if !scanner.Scan() || !strings.HasPrefix(scanner.Text(), line.begin) {
			t.Errorf("no %q in %q", line.begin, text)
			return o
		}
		*line.value = scanner.Text()
	}
	o.home = strings.TrimSuffix(strings.TrimPrefix(o.home, "HOME="), "|")
	// The kernel sorts the groups, and keeps those that are given twice.
	groups := strings.Fields(o.groups)
	o.groups = strings.Join(slices.Compact(groups), " ")
	return o
}

// parityImages is the corpus: the same on each run.
func parityImages(t *testing.T) []parityImage {
	t.Helper()
	var images []parityImage
	add := func(name, passwd, group string, specs ...string) {
		images = append(images, parityImage{name, passwd, group, specs})
	}

	// Files of real images and of unusual but well-formed ones: each user alone
	// and with one of the groups, another one for each.
	for _, name := range []string{"debian", "alpine", "edge"} {
		passwd, users := readKeys(t, filepath.Join("testdata", name, "passwd"))
		group, groups := readKeys(t, filepath.Join("testdata", name, "group"))
		var specs []string
		for i, user := range users {
			specs = append(specs, user, user+":"+groups[i*5%len(groups)])
		}
		add(name, passwd, group, specs...)
	}
	debian, debianGroup := images[0].passwd, images[0].group

	// Spellings of ids and names, most of them wrong.
	var spellings []string
	for _, half := range []string{
		"0", "00", "007", "+0", "-0", "+5", "-5", "-1", "0x1", "1e3", "1_000", " 1", "1 ", "1.0", "٣",
		"65534", "65535", "65536", "65537", "2147483646", "2147483647", "2147483648", "4294967294", "4294967295",
		"4294967296", "4294967297", "9223372036854775807", "9223372036854775808", "18446744073709551616",
		"99999999999999999999999", "root", "Root", " root", "root ", "#root", "*", "+", "-", "--", "nosuch", "a,b", "a/b", "ö",
	} {
		spellings = append(spellings, half, "daemon:"+half)
	}
	spellings = append(spellings, "", ":", ":0", ":daemon", ":1", ":nosuch", "::", "root::", ":root:", "daemon:daemon:", "daemon:daemon:daemon", "1:2:3")
	add("spellings", debian, debianGroup, spellings...)

	// Files that are missing or empty.
	some := []string{"root", "0", "1000", "0:0", "1000:1000", "1000:0", "0:1000", "daemon", "daemon:daemon", "1", "1:1", "1:", "daemon:", "root:root", "root:1", "1:root", "2147483647:2147483647", "nosuch"}
	add("no files", noFile, noFile, some...)
	add("no passwd", noFile, debianGroup, some...)
	add("no group", debian, noFile, some...)
	add("empty files", "", "", some...)

	// Entries that are there more than once, and names and ids that cross over.
	add("twice",
		"root:x:0:0::/root:/bin/sh\ntoor:x:0:5::/toor:/bin/sh\nadmin:x:0:0::/admin:/bin/sh\n"+
			"app:x:1000:1000::/first:/bin/sh\napp:x:1001:1001::/second:/bin/sh\nsame:x:1000:1002::/same:/bin/sh\n"+
			"1000:x:2000:2000::/number:/bin/sh\n1001:x:1000:1003::/crossed:/bin/sh\n2000:x:1001:1001::/more:/bin/sh\n",
		"root:x:0:\nroot:x:50:root\nwheel:x:10:root,toor,app\nwheel:x:11:app,same\napp:x:1000:\napp:x:1001:1000\n"+
			"other:x:1000:same\n1000:x:3000:\n1001:x:1000:app\n3000:x:3001:1000\n10:x:12:1001\n5:x:0:\n0:x:60:\n",
		product(
			[]string{"root", "toor", "admin", "app", "same", "0", "1000", "1001", "2000", "3000", "4711"},
			[]string{"", "wheel", "app", "5", "1000", "3000"})...)

	// A user with many groups, and a group with many members.
	var group, members strings.Builder
	for i := range 300 {
		fmt.Fprintf(&group, "g%d:x:%d:a,b%d,app,z\n", i, 5000+i*7919%100000, i)
		fmt.Fprintf(&members, "b%d,", i)
	}
	fmt.Fprintf(&group, "crowd:x:77:%slast\n", &members)
	add("many groups", "app:x:1000:1000::/app:/bin/sh\nb7:x:1007:5000::/b7:/bin/sh\nlast:x:1008:77::/last:/bin/sh\n", group.String(),
		"app", "1000", "app:crowd", "app:g299", "b7", "1007", "b7:77", "last", "last:", "1008:1008", "z", "a")

	// Malformed entries, selected and not.
	malformed := "root:x:0:0:root:/root:/bin/sh\n"
	users := []string{"root", "good", "3000", "4000", "5000"}
	for i, line := range []string{
		"%s:x:abc:1000::/:/bin/sh", "%s:x::1000::/:/bin/sh", "%s", "%s:", "%s:x", "%s:x:", "%s:x:0x10:1::/:", "%s:x: 1000:1000::/:",
		"%s:x:1000 :1000::/:", "%s:x:4294967296:1::/:", "%s:x:4294967295:1::/:", "%s:x:2147483648:1::/:", "%s:x:-1:1::/:", "%s:x:-0:1::/:",
		"%s:x:+1000:1::/:", "%s:x:18446744073709551616:1::/:", "%s:x:1e3:1::/:", "%s:x:1200", "%s:x:1201:", "%s:x:1202:abc::/:", "%s:x:1203:4294967296::/:",
		"%s:x:1204:-1::/:", "%s:x:1205:1205", "%s:x:1206:1206:", "%s:x:1207:1207::relative:/bin/sh", "%s:x:1208:1208:: /space:/bin/sh", "  %s:x:1209:1209::/:/bin/sh ",
	} {
		name := "m" + strconv.Itoa(i)
		malformed += fmt.Sprintf(line, name) + "\n"
		users = append(users, name, name+":good")
	}
	malformed += ":x:3000:3000::/noname:/bin/sh\n#c:x:4000:4000::/comment:/bin/sh\n+n:x:5000:5000::/nis:/bin/sh\n\n \ngood:x:1000:1000::/good:/bin/sh\n"
	malformedGroup := "root:x:0:\nbad:x:abc:\nempty:x::\nshort\nlist:x:5:listed\nlist2:x:abc:badlisted\nlist3:x:4294967296:farlisted\n-1:x:7:\nfar:x:4294967296:\nnegative:x:-1:\n" +
		":x:3000:\n#c:x:4000:commented\n+n:x:5000:\ngood:x:1000:\n"
	for i, name := range []string{"listed", "badlisted", "farlisted", "commented"} {
		malformed += fmt.Sprintf("%s:x:%d:%d::/:/bin/sh\n", name, 1300+i, 1300+i)
		users = append(users, name)
	}
	for _, name := range []string{"bad", "empty", "short", "far", "negative", "3000", "4000", "5000", "#c", "+n", "-1", "list", "5"} {
		users = append(users, "good:"+name)
	}
	add("malformed", malformed, malformedGroup, users...)
	add("long line", "root:x:0:0::/root:/bin/sh\nlong:x:1:1:"+strings.Repeat("x", 70000)+":/:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n", debianGroup,
		"root", "0", "app", "1000:1000", "app:daemon")

	// Generated files: ids from few and from many, names that are numbers, and
	// members by chance, of which some are no users.
	random := rand.New(rand.NewPCG(1, 2))
	ids := []int{0, 1, 2, 17, 999, 1000, 1001, 32767, 32768, 65533, 65534, 65535, 65536, 65537, 131072, 1 << 30, maxID - 1, maxID}
	anID := func() int {
		if random.IntN(2) == 0 {
			return ids[random.IntN(len(ids))]
		}
		return random.IntN(maxID)
	}
	aName := func() string {
		switch random.IntN(6) {
		case 0:
			return strconv.Itoa(ids[random.IntN(len(ids))])
		default:
			return "u" + strconv.Itoa(random.IntN(40))
		}
	}
	for n := range 2 {
		var passwd, group strings.Builder
		names := make(map[string]bool)
		for range 25 {
			name := aName()
			names[name] = true
			uid := anID()
			names[strconv.Itoa(uid)] = true
			fmt.Fprintf(&passwd, "%s:x:%d:%d::/home/%s:/bin/sh\n", name, uid, anID(), name)
		}
		groups := make(map[string]bool)
		for range 25 {
			name, gid := aName(), anID()
			groups[name], groups[strconv.Itoa(gid)] = true, true
			var list []string
			for range random.IntN(8) {
				list = append(list, aName())
			}
			fmt.Fprintf(&group, "%s:x:%d:%s\n", name, gid, strings.Join(list, ","))
		}
		userKeys, groupKeys := slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(groups))
		var specs []string
		for _, user := range userKeys {
			specs = append(specs, user, user+":"+groupKeys[random.IntN(len(groupKeys))])
		}
		add(fmt.Sprintf("generated %d", n), passwd.String(), group.String(), specs...)
	}
	return images
}

// product returns each user with each group, and alone where the group is empty.
func product(users, groups []string) []string {
	var specs []string
	for _, user := range users {
		for _, group := range groups {
			specs = append(specs, strings.TrimSuffix(user+":"+group, ":"))
		}
	}
	return specs
}
