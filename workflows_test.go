// This file holds the workflows in .github, which run on GitHub alone, to what can
// be read off them here: that what they call is there, that what they take from
// elsewhere is pinned, and that each job may do what it needs to and no more.
package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jobPermissions is what each job may do. A job that may write says so here too,
// so that a change to it is seen twice.
var jobPermissions = map[string]string{
	"ci.yml test":            "contents: read",
	"ci.yml lint":            "contents: read",
	"ci.yml more":            "contents: read",
	"ci.yml fuzz":            "contents: read",
	"release.yml build":      "contents: read",
	"release.yml publish":    "contents: write, id-token: write, attestations: write",
	"release.yml image":      "contents: read, packages: write, id-token: write, attestations: write",
	"security.yml source":    "contents: read",
	"security.yml released":  "contents: read",
	"security.yml report":    "issues: write",
	"security.yml toolchain": "contents: read",
	"security.yml update":    "contents: write, pull-requests: write, actions: write",
}

var (
	makeCalls    = regexp.MustCompile(`(?m)\bmake((?: -s| [a-z][a-z-]*\b| [A-Z]+=\S*)+)`)
	matrixTarget = regexp.MustCompile(`(?m)^ +target: \[(.*)\]$`)
	scriptCalls  = regexp.MustCompile(`\bscripts/[a-z-]+\.sh\b`)
	pinnedAction = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$`)
	jobKey       = regexp.MustCompile(`^  ([a-z]+):$`)
	yamlComment  = regexp.MustCompile(`(?m)(^| )# .*$`)
)

// TestWorkflows reads each workflow, line by line: they are written in the plainest
// form of YAML, which actionlint (make lint) holds them to.
func TestWorkflows(t *testing.T) {
	makefile := fileText(t, "Makefile")
	found := make(map[string]string)
	digests := make(map[string]string)
	files, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		text := fileText(t, file)
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: a job gets what it does not name: want permissions: {} at the top", name)
		}
		bare := yamlComment.ReplaceAllString(text, "")
		targets := strings.Fields(strings.ReplaceAll(matrixTarget.FindString(bare), ",", " "))
		for _, call := range makeCalls.FindAllStringSubmatch(bare, -1) {
			targets = append(targets, strings.Fields(call[1])...)
		}
		for _, target := range targets {
			target = strings.Trim(target, "[]")
			if target == "target:" || strings.HasPrefix(target, "-") || strings.Contains(target, "=") {
				continue
			}
			if !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s calls make %s, which the Makefile does not have", name, target)
			}
		}
		for _, script := range scriptCalls.FindAllString(bare, -1) {
			if info, err := os.Stat(script); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("%s calls %s, which is no program: %v", name, script, err)
			}
		}

		for job, lines := range workflowJobs(text) {
			found[name+" "+job] = permissionsOf(lines)
			for _, want := range []string{"    runs-on: ubuntu-24.04", "    timeout-minutes: "} {
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("%s %s: has no %s", name, job, strings.TrimSpace(want))
				}
			}
			checkSteps(t, name+" "+job, lines, digests)
		}
	}
	if !maps.Equal(found, jobPermissions) {
		t.Errorf("the jobs may\n%v\nwant\n%v", found, jobPermissions)
	}
}

// checkSteps requires of a job's lines that each action is pinned by a digest, the
// same in all workflows, that none leaves the token behind, and that no shell
// command is made out of what GitHub puts in the place of an expression: an
// environment variable is data, a part of a command may be a command.
func checkSteps(t *testing.T, job string, lines []string, digests map[string]string) {
	t.Helper()
	inRun := -1
	for i, line := range lines {
		key := strings.TrimPrefix(strings.TrimLeft(line, " "), "- ")
		indent := len(line) - len(key)
		if inRun >= 0 && indent > inRun || strings.HasPrefix(key, "run: ") {
			if strings.Contains(line, "${{") {
				t.Errorf("%s: an expression in a command: %s", job, key)
			}
		}
		if inRun >= 0 && indent <= inRun && key != "" {
			inRun = -1
		}
		if key == "run: |" {
			inRun = indent
		}
		action, uses := strings.CutPrefix(key, "uses: ")
		if !uses {
			continue
		}
		if !pinnedAction.MatchString(action) {
			t.Errorf("%s: not pinned by a commit with its version beside it: %s", job, action)
		}
		repository, digest, _ := strings.Cut(action, "@")
		if other, ok := digests[repository]; ok && other != digest {
			t.Errorf("%s: %s at %s, and at %s elsewhere", job, repository, digest, other)
		}
		digests[repository] = digest
		if repository == "actions/checkout" &&
			(i+2 >= len(lines) || strings.TrimSpace(lines[i+2]) != "persist-credentials: false") {
			t.Errorf("%s: checkout leaves the token in .git/config: want persist-credentials: false first", job)
		}
	}
}

// workflowJobs returns the lines of each job of a workflow.
func workflowJobs(workflow string) map[string][]string {
	found := make(map[string][]string)
	_, text, _ := strings.Cut(workflow, "\njobs:\n")
	job := ""
	for _, line := range strings.Split(text, "\n") {
		if key := jobKey.FindStringSubmatch(line); key != nil {
			job = key[1]
		}
		found[job] = append(found[job], line)
	}
	return found
}

// permissionsOf returns what stands under permissions in the lines of a job.
func permissionsOf(lines []string) string {
	start := slices.Index(lines, "    permissions:")
	if start < 0 {
		return ""
	}
	var list []string
	for _, line := range lines[start+1:] {
		entry, ok := strings.CutPrefix(line, "      ")
		if !ok {
			break
		}
		entry, _, _ = strings.Cut(entry, " #")
		list = append(list, entry)
	}
	return strings.Join(list, ", ")
}

// TestDependabotLooksEverywhere requires each directory with a go.mod or a
// Dockerfile to be one in which Dependabot looks for newer versions, and no other.
// The program in testdata/vex is to have old modules.
func TestDependabotLooksEverywhere(t *testing.T) {
	sections := strings.Split(fileText(t, ".github/dependabot.yml"), "package-ecosystem: ")
	for ecosystem, pattern := range map[string]string{"gomod": "go.mod", "docker": "Dockerfile*"} {
		var want []string
		err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
			if entry.IsDir() && (path == ".git" || path == "dist" || path == "testdata/vex") {
				return filepath.SkipDir
			}
			if match, _ := filepath.Match(pattern, entry.Name()); match {
				want = append(want, filepath.Join("/", filepath.Dir(path)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		var got []string
		for _, section := range sections {
			if strings.HasPrefix(section, ecosystem+"\n") {
				for _, directory := range regexp.MustCompile(`(?m)^ +- (/\S*)$`).FindAllStringSubmatch(section, -1) {
					got = append(got, directory[1])
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("dependabot.yml has for %s %v, want %v", ecosystem, got, want)
		}
	}
}

func fileText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
