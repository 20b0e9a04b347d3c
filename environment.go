// This file is what the command finds in its environment, and what --print says.
package main

import (
	"fmt"
	"slices"
	"strings"
)

// environment returns the caller's with HOME set to the identity's, and with
// login USER, LOGNAME and SHELL as well: each once, however often it was there
// before. All else stays as it is. With login an identity without a name, which
// has no passwd entry, is an error: there is nothing to set them to.
func (id Identity) environment(caller []string, login bool) ([]string, error) {
	set := []string{"HOME=" + id.Home}
	if login {
		if id.Name == "" {
			return nil, fmt.Errorf("--login-env: uid %d has no entry in %s: add one, or leave the option out", id.UID, passwdPath)
		}
		shell := id.Shell
		if shell == "" {
			shell = "/bin/sh" // passwd(5)
		}
		set = append(set, "USER="+id.Name, "LOGNAME="+id.Name, "SHELL="+shell)
	}
	isSet := func(variable string) bool {
		name, _, ok := strings.Cut(variable, "=")
		return ok && slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") })
	}
	return append(slices.DeleteFunc(caller, isSet), set...), nil
}

// printIdentity prints who the command would be, in the style of id(1), and what
// the options ask for beyond that.
func printIdentity(id Identity, p privileges) error {
	group, err := openDatabase(groupPath)
	if err != nil {
		return err
	}
	names, err := groupNames(group, id.Groups)
	if err != nil {
		return err
	}
	groups := make([]string, len(id.Groups))
	for i, gid := range id.Groups {
		groups[i] = withName(gid, names[gid])
	}
	line := fmt.Sprintf("uid=%s gid=%s groups=%s home=%s",
		withName(id.UID, id.Name), withName(id.GID, names[id.GID]), strings.Join(groups, ","), id.Home)
	if p.add != 0 {
		line += " cap-add=" + p.add.String()
	}
	switch {
	case p.dropAll:
		line += " cap-drop=ALL"
	case p.drop != 0:
		line += " cap-drop=" + p.drop.String()
	}
	if p.noNewPrivs {
		line += " no-new-privs"
	}
	return printOut(line + "\n")
}

func withName(id int, name string) string {
	if name == "" {
		return fmt.Sprint(id)
	}
	return fmt.Sprintf("%d(%s)", id, name)
}
