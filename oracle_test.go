package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOracle compares resolve with runc's parser, from which Docker's came, for
// each user with each group of the corpora: testdata/oracle.
func TestOracle(t *testing.T) {
	type question struct {
		Passwd, Group, Spec string
		UID, GID            int
	}
	type answer struct {
		UID, GID int
		Groups   []int
		Home     string
		Error    string
	}
	var questions []question
	for _, corpus := range []string{"debian", "alpine", "edge"} {
		passwd, users := readKeys(t, filepath.Join("testdata", corpus, "passwd"))
		group, groups := readKeys(t, filepath.Join("testdata", corpus, "group"))
		for _, user := range users {
			specs := []string{user}
			for _, group := range groups {
				specs = append(specs, user+":"+group)
			}
			for _, spec := range specs {
				questions = append(questions, question{passwd, group, spec, someone.uid.real, someone.gid.real})
			}
		}
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	oracle := exec.Command("go", "run", ".")
	oracle.Dir = filepath.Join("testdata", "oracle")
	oracle.Stdin = bytes.NewReader(in)
	oracle.Stderr = os.Stderr
	out, err := oracle.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []answer
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(questions) || len(answers) < 1000 {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}

	for i, q := range questions {
		want := answers[i]
		got, err := resolve(q.Spec, groupOptions{}, someone, strings.NewReader(q.Passwd), strings.NewReader(q.Group))
		switch {
		case (err != nil) != (want.Error != ""):
			t.Errorf("%s: error %v, runc's %q", q.Spec, err, want.Error)
		case err == nil && (got.UID != want.UID || got.GID != want.GID || got.Home != want.Home ||
			!slices.Equal(got.Groups, unique(append([]int{want.GID}, want.Groups...)))):
			t.Errorf("%s: got %+v, runc's %+v", q.Spec, got, want)
		}
	}
	t.Logf("%d specs alike", len(questions))
}

// readKeys returns a passwd or group file and what can be asked of it: its names
// and ids, and some that it does not have.
func readKeys(t *testing.T, path string) (text string, keys []string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(file), "\n") {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) >= 3 && !noNameBegins(fields[0]) {
			keys = append(keys, fields[0], strings.TrimSpace(fields[2]))
		}
	}
	slices.Sort(keys)
	return string(file), append(slices.Compact(keys), "", "4711", "007", "nosuch", "2147483647")
}
