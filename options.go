// This file reads the command line.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A call is a parsed command line.
type call struct {
	help, version, print bool

	ifRoot     bool
	loginEnv   bool
	groups     groupOptions
	privileges privileges

	spec    string   // user[:group]
	command []string // the command and its arguments; may be empty with print only
}

// A usageError is a command line that cannot be used.
type usageError string

func (e usageError) Error() string { return string(e) }

// parseArguments reads a command line, argv[0] included. Options end at the
// first argument that is none, or at "--"; what stands from there on is the
// user spec and the command, whatever it begins with.
func parseArguments(args []string) (call, error) {
	var c call
	options := flag.NewFlagSet("", flag.ContinueOnError)
	options.SetOutput(io.Discard) // main prints the error, once
	for _, name := range []string{"help", "h", "?"} {
		options.BoolVar(&c.help, name, false, "")
	}
	for _, name := range []string{"version", "v"} {
		options.BoolVar(&c.version, name, false, "")
	}
	for name, value := range map[string]*bool{
		"if-root":      &c.ifRoot,
		"init-groups":  &c.groups.init,
		"keep-groups":  &c.groups.keep,
		"login-env":    &c.loginEnv,
		"no-new-privs": &c.privileges.noNewPrivs,
		"print":        &c.print,
	} {
		options.Var(&switchOption{on: value}, name, "")
	}
	options.Func("group-add", "", func(list string) error {
		names, err := splitList(list)
		c.groups.add = append(c.groups.add, names...)
		return err
	})
	options.Func("cap-add", "", func(list string) error {
		return c.privileges.addCapabilities(list)
	})
	options.Func("cap-drop", "", func(list string) error {
		return c.privileges.dropCapabilities(list)
	})

	if err := options.Parse(args[min(1, len(args)):]); err != nil {
		return call{}, explainOption(options, err)
	}
	if both := c.privileges.add & c.privileges.drop; both != 0 {
		return call{}, usageError(fmt.Sprintf("--cap-add and --cap-drop both name %s", both))
	}
	rest := options.Args()
	switch {
	case c.help || c.version:
		return c, nil
	case len(rest) == 0:
		return call{}, usageError("no user and no command given")
	case len(rest) == 1 && !c.print:
		return call{}, usageError(fmt.Sprintf("no command given after the user %s", quote(rest[0])))
	}
	c.spec, c.command = rest[0], rest[1:]
	return c, nil
}

// A switchOption is an option without a value. Given more than once it must say
// the same each time.
type switchOption struct {
	on    *bool
	given bool
}

func (o *switchOption) IsBoolFlag() bool { return true }
func (o *switchOption) String() string   { return "" }

func (o *switchOption) Set(text string) error {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("want true, false or nothing")
	}
	if o.given && on != *o.on {
		return errors.New("it was given as the opposite before")
	}
	*o.on, o.given = on, true
	return nil
}

// splitList splits the value of an option that takes a list: names separated by
// commas, none of them empty.
func splitList(list string) ([]string, error) {
	names := strings.Split(list, ",")
	if slices.Contains(names, "") {
		return nil, errors.New("want names separated by commas, and none empty (an empty variable?)")
	}
	return names, nil
}

// addCapabilities takes the value of --cap-add.
func (p *privileges) addCapabilities(list string) error {
	names, err := splitList(list)
	for _, name := range names {
		if strings.EqualFold(name, "ALL") {
			return errors.New("name those that the command needs")
		}
		set, err := parseCapability(name)
		if err != nil {
			return err
		}
		p.add |= set
	}
	return err
}

// dropCapabilities takes the value of --cap-drop.
func (p *privileges) dropCapabilities(list string) error {
	names, err := splitList(list)
	for _, name := range names {
		if strings.EqualFold(name, "ALL") {
			p.dropAll = true
			continue
		}
		set, err := parseCapability(name)
		if err != nil {
			return err
		}
		p.drop |= set
	}
	return err
}

// explainOption puts an error of package flag into the words of the manual page.
func explainOption(options *flag.FlagSet, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var known []string
		options.VisitAll(func(f *flag.Flag) {
			if len(f.Name) > 1 { // a letter is near to everything
				known = append(known, f.Name)
			}
		})
		return usageError(fmt.Sprintf("unknown option %s: the nearest is %s", quote("--"+name), "--"+nearest(name, known)))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usageError(fmt.Sprintf("option --%s needs a value", name))
	}
	text = strings.Replace(text, " for flag -", " for option --", 1)
	return usageError(strings.Replace(text, " for -", " for option --", 1))
}

// nearest returns the candidate that begins with name, or else the one that takes
// the fewest changes of a letter to become: by Levenshtein distance.
func nearest(name string, candidates []string) string {
	for _, candidate := range candidates {
		if strings.HasPrefix(candidate, name) {
			return candidate
		}
	}
	return slices.MinFunc(candidates, func(a, b string) int {
		return distance(name, a) - distance(name, b)
	})
}

func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the part of a so far to each part of b
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
