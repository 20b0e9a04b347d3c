// Bench measures what stepdown and other tools cost, as whole processes, and
// writes a table and the numbers for the plots: docs/BENCHMARKS.md.
//
// The tools run in turn (A B C A B C ...), so that whatever else the machine does
// hits all of them, and ratios are made pair by pair, of one round's runs. The
// timing itself is done by rounds.c.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	b := bench{out: os.Stdout}
	var toolFiles string
	flag.IntVar(&b.rounds, "rounds", 1000, "rounds with files of usual size; fewer with larger ones")
	flag.StringVar(&toolFiles, "tools", "bench/tools.txt", "files with the tools, separated by commas")
	flag.StringVar(&b.results, "results", "bench/results", "the directory for the numbers")
	flag.IntVar(&b.longest, "longest", 1_000_000, "lines of the longest files; 0 for none")
	flag.Parse()
	if err := b.run(strings.Split(toolFiles, ",")); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

type bench struct {
	rounds  int
	longest int
	results string
	out     io.Writer

	dir     string // of the programs under test
	command string // what they run
	tools   []tool
}

// A tool is a line of a tools file.
type tool struct {
	name  string
	words []string
}

// A cost is what one run took.
type cost struct{ wall, cpu, faults, memory float64 } // microseconds, twice; a count; KB

// costs are those of each tool, round by round.
type costs map[string][]cost

func (b *bench) run(toolFiles []string) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	// Another user has to find the command.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if b.command, err = b.copyProgram("true"); err != nil {
		return err
	}
	for _, file := range toolFiles {
		if err := b.readTools(file); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.results, 0o755); err != nil {
		return err
	}
	if err := b.startUp(); err != nil {
		return err
	}
	if b.longest == 0 {
		return nil
	}
	return b.largeFiles()
}

// readTools reads a tools file, and copies the programs, so that all of them are
// new files: how a file came to lie in the page cache was seen to make 10 %.
func (b *bench) readTools(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) == 1 {
			return fmt.Errorf("%s: %s has no command line", file, words[0])
		}
		t := tool{words[0], words[1:]}
		if t.words[0] != "$command" {
			if t.words[0], err = b.copyProgram(t.words[0]); err != nil {
				return fmt.Errorf("%s: %s: %w", file, t.name, err)
			}
		}
		b.tools = append(b.tools, t)
	}
	return nil
}

func (b *bench) copyProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(b.dir, filepath.Base(name))
	return copied, os.WriteFile(copied, program, 0o755)
}

// startUp measures all tools with the machine's own files.
func (b *bench) startUp() error {
	found, err := b.measure(b.rounds, b.tools, identity{"nobody", "nobody", "nogroup"}, "", "")
	if err != nil {
		return err
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "Start-up, %d rounds, /etc/passwd of %d lines:\n\n", b.rounds, bytes.Count(passwd, []byte("\n")))
	fmt.Fprintln(b.out, "| tool | wall time, median (10th to 90th percentile) | CPU time | page faults | peak memory | stepdown / it: wall time | CPU time |")
	fmt.Fprintln(b.out, "|---|---|---|---|---|---|---|")
	var numbers strings.Builder
	for _, t := range b.tools {
		runs := found[t.name]
		low, median, high := percentiles(runs, wall)
		fmt.Fprintf(b.out, "| %s | %.2f ms (%.2f to %.2f) | %.2f ms | %.0f | %.1f MB | %.2f | %.2f |\n",
			t.name, median/1000, low/1000, high/1000, middle(runs, cpu)/1000, middle(runs, faults), middle(runs, memory)/1024,
			ratio(found["stepdown"], runs, wall), ratio(found["stepdown"], runs, cpu))
		fmt.Fprintf(&numbers, "%s\t%.3f\t%.3f\t%.3f\t%.3f\n", t.name, low/1000, median/1000, high/1000, middle(runs, memory)/1024)
	}
	fmt.Fprintln(b.out)
	return os.WriteFile(filepath.Join(b.results, "start.tsv"), []byte(numbers.String()), 0o644)
}

// An identity is what a tool is asked for.
type identity struct{ spec, user, group string }

// largeFiles measures the tools that read /etc/passwd and /etc/group by themselves
// with files of up to the longest.
func (b *bench) largeFiles() error {
	readers := slices.DeleteFunc(slices.Clone(b.tools), func(t tool) bool {
		return !slices.Contains(t.words, "$spec") && !slices.Contains(t.words, "--userspec=$spec")
	})
	kinds := []struct {
		name     string
		identity func(lines int) identity
		groups   int // that list the user
	}{
		{"first entry", func(int) identity { return identity{spec: "u1"} }, 1},
		{"last entry", func(lines int) identity { return identity{spec: fmt.Sprint("u", lines)} }, 1},
		{"numeric", func(lines int) identity { return identity{spec: fmt.Sprintf("%d:%[1]d", 10000+lines)} }, 1},
		{"in 1,000 groups", func(lines int) identity { return identity{spec: fmt.Sprint("u", lines)} }, 1000},
	}
	for _, kind := range kinds {
		fmt.Fprintf(b.out, "Large files, %s:\n\n| lines | rounds |", kind.name)
		for _, t := range readers {
			fmt.Fprintf(b.out, " %s |", t.name)
		}
		fmt.Fprintf(b.out, "\n|%s\n", strings.Repeat("---|", len(readers)+2))
		numbers := bytes.NewBufferString("lines")
		for _, t := range readers {
			fmt.Fprintf(numbers, "\t%s", t.name)
		}
		fmt.Fprintln(numbers)
		for _, lines := range []int{20, 1000, 10_000, 100_000, 1_000_000} {
			if lines > b.longest || lines < kind.groups {
				continue
			}
			rounds := max(b.rounds/max(1, lines/1000), min(b.rounds, 10))
			found, err := b.measureLarge(rounds, readers, kind.identity(lines), lines, kind.groups)
			if err != nil {
				return err
			}
			fmt.Fprintf(b.out, "| %d | %d |", lines, rounds)
			fmt.Fprintf(numbers, "%d", lines)
			for _, t := range readers {
				runs := found[t.name]
				fmt.Fprintf(b.out, " %.2f ms, %.1f MB", middle(runs, wall)/1000, middle(runs, memory)/1024)
				if t.name != "stepdown" {
					fmt.Fprintf(b.out, " (%.2f)", ratio(found["stepdown"], runs, wall))
				}
				fmt.Fprint(b.out, " |")
				fmt.Fprintf(numbers, "\t%.3f", middle(runs, wall)/1000)
			}
			fmt.Fprintln(b.out)
			fmt.Fprintln(numbers)
		}
		fmt.Fprintln(b.out)
		name := strings.NewReplacer(" ", "-", ",", "").Replace(kind.name) + ".tsv"
		if err := os.WriteFile(filepath.Join(b.results, name), numbers.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// measureLarge makes files of that many lines, with the last user in that many
// groups, and measures with them.
func (b *bench) measureLarge(rounds int, tools []tool, id identity, lines, groups int) (costs, error) {
	var passwd, group bytes.Buffer
	for i := 1; i <= lines; i++ {
		member := ""
		if i > lines-groups {
			member = fmt.Sprint("u", lines)
		}
		fmt.Fprintf(&passwd, "u%d:x:%d:%[2]d:user number %[1]d:/home/u%[1]d:/bin/sh\n", i, 10000+i)
		fmt.Fprintf(&group, "g%d:x:%d:%s\n", i, 10000+i, member)
	}
	passwdFile, groupFile := filepath.Join(b.dir, "passwd"), filepath.Join(b.dir, "group")
	if err := errors.Join(os.WriteFile(passwdFile, passwd.Bytes(), 0o644), os.WriteFile(groupFile, group.Bytes(), 0o644)); err != nil {
		return nil, err
	}
	return b.measure(rounds, tools, id, passwdFile, groupFile)
}

// measure runs the tools in turn, with these files in place of /etc/passwd and
// /etc/group where they are given, in a mount namespace of its own.
func (b *bench) measure(rounds int, tools []tool, id identity, passwd, group string) (costs, error) {
	var list strings.Builder
	for _, t := range tools {
		words := make([]string, len(t.words))
		for i, word := range t.words {
			words[i] = os.Expand(word, func(name string) string {
				return map[string]string{"spec": id.spec, "user": id.user, "group": id.group, "command": b.command}[name]
			})
		}
		fmt.Fprintln(&list, t.name, strings.Join(words, " "))
	}
	const mounted = `[ -z "$1" ] || { mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group; } && exec rounds "$3"`
	cmd := exec.Command("unshare", "--mount", "--propagation=private", "sh", "-c", mounted, "sh", passwd, group, strconv.Itoa(rounds))
	cmd.Stdin, cmd.Stderr = strings.NewReader(list.String()), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rounds: %w", err)
	}
	return parse(string(output))
}

// parse reads the output of rounds.c.
func parse(output string) (costs, error) {
	found := costs{}
	for line := range strings.Lines(output) {
		var round int
		var name string
		var c cost
		if _, err := fmt.Sscan(line, &round, &name, &c.wall, &c.cpu, &c.faults, &c.memory); err != nil {
			return nil, fmt.Errorf("a line of rounds: %q: %w", line, err)
		}
		c.wall /= 1000 // from nanoseconds
		found[name] = append(found[name], c)
	}
	return found, nil
}

func wall(c cost) float64   { return c.wall }
func cpu(c cost) float64    { return c.cpu }
func faults(c cost) float64 { return c.faults }
func memory(c cost) float64 { return c.memory }

// percentiles returns the 10th, the 50th and the 90th of what each run has.
func percentiles(runs []cost, of func(cost) float64) (low, median, high float64) {
	values := make([]float64, len(runs))
	for i, run := range runs {
		values[i] = of(run)
	}
	slices.SortFunc(values, cmp.Compare)
	at := func(part float64) float64 { return values[int(part*float64(len(values)-1)+0.5)] }
	return at(0.1), at(0.5), at(0.9)
}

func middle(runs []cost, of func(cost) float64) float64 {
	_, median, _ := percentiles(runs, of)
	return median
}

// ratio is the median of the ratios of a to b, each of the runs of one round.
func ratio(a, b []cost, of func(cost) float64) float64 {
	ratios := make([]cost, min(len(a), len(b)))
	for i := range ratios {
		ratios[i].wall = of(a[i]) / of(b[i])
	}
	return middle(ratios, wall)
}
