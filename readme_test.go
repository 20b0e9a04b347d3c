// This file holds the README to the files that it quotes.
package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// readmeBlock is a fenced block, with the line before it.
var readmeBlock = regexp.MustCompile("(?m)^(.*)\n```[a-z]*\n((?s:.*?))^```$")

// readmeSource is the comment that says where a block is from.
var readmeSource = regexp.MustCompile(`^<!-- from (examples/[^ ]+) -->$`)

// TestReadmeQuotesExamples requires each block in the section "In your image" to
// be, line by line, a part of the file that it names. Those files are run by
// TestDocker.
func TestReadmeQuotesExamples(t *testing.T) {
	section := readmeSection(t, "In your image")
	blocks := readmeBlock.FindAllStringSubmatch(section, -1)
	if fences := strings.Count(section, "\n```"); len(blocks) == 0 || fences != 2*len(blocks) {
		t.Fatalf("%d blocks found, and %d lines that begin or end one", len(blocks), fences)
	}
	for _, block := range blocks {
		before, quoted := block[1], block[2]
		source := readmeSource.FindStringSubmatch(before)
		if source == nil {
			t.Errorf("the line before a block is %q, want <!-- from examples/... -->, before\n%s", before, quoted)
			continue
		}
		file, err := os.ReadFile(source[1])
		if err != nil {
			t.Error(err)
			continue
		}
		if quoted == "" || !strings.Contains("\n"+string(file), "\n"+quoted) {
			t.Errorf("this is no part of %s:\n%s", source[1], quoted)
		}
	}
}

// readmeSection returns what stands in the README under a heading, up to the next.
func readmeSection(t *testing.T, heading string) string {
	t.Helper()
	return docSection(t, "README.md", heading)
}

// docSection returns what stands in a Markdown file under a heading of the second
// level, up to the next.
func docSection(t *testing.T, file, heading string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section: %s", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}
