// This file reads the command line.
package main

import (
	"errors"
	"fmt"
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

// An option stands for a switch of a call, or else takes a list for it.
type option struct {
	name   string
	toggle func(*call) *bool
	list   func(*call, string) error
}

var options = [...]option{
	{name: "help", toggle: func(c *call) *bool { return &c.help }},
	{name: "h", toggle: func(c *call) *bool { return &c.help }},
	{name: "?", toggle: func(c *call) *bool { return &c.help }},
	{name: "version", toggle: func(c *call) *bool { return &c.version }},
	{name: "v", toggle: func(c *call) *bool { return &c.version }},
	{name: "print", toggle: func(c *call) *bool { return &c.print }},
	{name: "if-root", toggle: func(c *call) *bool { return &c.ifRoot }},
	{name: "login-env", toggle: func(c *call) *bool { return &c.loginEnv }},
	{name: "init-groups", toggle: func(c *call) *bool { return &c.groups.init }},
	{name: "keep-groups", toggle: func(c *call) *bool { return &c.groups.keep }},
	{name: "no-new-privs", toggle: func(c *call) *bool { return &c.privileges.noNewPrivs }},
	{name: "group-add", list: (*call).addGroups},
	{name: "cap-add", list: (*call).addCapabilities},
	{name: "cap-drop", list: (*call).dropCapabilities},
}

// parseArguments reads a command line, argv[0] included. Options end at the
// first argument that is none, or at "--"; what stands from there on is the
// user spec and the command, whatever it begins with.
//
// An option begins with one dash or two. Its value stands behind "=" or, for a
// list, in the next argument. A switch without a value is on; given more than
// once it must say the same each time.
//
// It is not package flag that does this, because that and what it brings are
// 58 KB of the program.
func parseArguments(args []string) (call, error) {
	var c call
	var given [len(options)]bool
	rest := args[min(1, len(args)):]
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		argument := rest[0]
		rest = rest[1:]
		if argument == "--" {
			break
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(argument[1:], "-"), "=")
		number := slices.IndexFunc(options[:], func(o option) bool { return o.name == name })
		if number < 0 {
			return call{}, unknownOption(name)
		}
		switch isSwitch := options[number].toggle != nil; {
		case hasValue:
		case isSwitch:
			value = "true"
		case len(rest) == 0:
			return call{}, usageError(fmt.Sprintf("option --%s needs a value", name))
		default:
			value, rest = rest[0], rest[1:]
		}
		if err := options[number].set(&c, value, given[number]); err != nil {
			return call{}, usageError(fmt.Sprintf("invalid value %s for option --%s: %v", quote(value), name, err))
		}
		given[number] = true
	}
	if both := c.privileges.add & c.privileges.drop; both != 0 {
		return call{}, usageError(fmt.Sprintf("--cap-add and --cap-drop both name %s", both))
	}
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

// set gives the option its value in c; again tells that it was given before.
func (o option) set(c *call, value string, again bool) error {
	if o.list != nil {
		return o.list(c, value)
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return errors.New("want true, false or nothing")
	}
	if again && on != *o.toggle(c) {
		return errors.New("it was given as the opposite before")
	}
	*o.toggle(c) = on
	return nil
}

// unknownOption is the error for an option that there is not.
func unknownOption(name string) error {
	var known []string
	for _, o := range options {
		if len(o.name) > 1 { // a letter is near to everything
			known = append(known, o.name)
		}
	}
	return usageError(fmt.Sprintf("unknown option %s: the nearest is --%s", quote("--"+name), nearest(name, known)))
}

// addGroups takes the value of --group-add.
func (c *call) addGroups(list string) error {
	names, err := splitList(list)
	c.groups.add = append(c.groups.add, names...)
	return err
}

// addCapabilities takes the value of --cap-add.
func (c *call) addCapabilities(list string) error {
	names, err := splitList(list)
	for _, name := range names {
		if strings.EqualFold(name, "ALL") {
			return errors.New("name those that the command needs")
		}
		set, err := parseCapability(name)
		if err != nil {
			return err
		}
		c.privileges.add |= set
	}
	return err
}

// dropCapabilities takes the value of --cap-drop.
func (c *call) dropCapabilities(list string) error {
	names, err := splitList(list)
	for _, name := range names {
		if strings.EqualFold(name, "ALL") {
			c.privileges.dropAll = true
			continue
		}
		set, err := parseCapability(name)
		if err != nil {
			return err
		}
		c.privileges.drop |= set
	}
	return err
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
