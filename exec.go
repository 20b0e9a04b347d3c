// This file looks a command up and becomes it, or says why it could not.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A commandError is why a command was not run after stepdown did its part.
type commandError struct {
	status int // exitNotExecutable or exitNotFound
	reason string
}

func (e *commandError) Error() string { return e.reason }

func notFound(format string, args ...any) error {
	return &commandError{exitNotFound, fmt.Sprintf(format, args...)}
}

func notExecutable(format string, args ...any) error {
	return &commandError{exitNotExecutable, fmt.Sprintf(format, args...)}
}

// execute becomes the command, whose first element is the program and argv[0].
// It returns only to say why that cannot be.
//
// The exec is the one of package syscall because that gives back the soft limit
// of open files, which the Go runtime raised at start.
func execute(command, environment []string) error {
	path, err := lookUp(command[0])
	if err != nil {
		return err
	}
	return explainExec(path, syscall.Exec(path, command, environment))
}

// lookUp returns the path of the program that name means: name itself where it
// holds a slash, otherwise the first executable file of that name in PATH, as
// the thread's present user sees it.
//
// What PATH names relative to the current directory, "." and the empty name
// included, is passed over, as package os/exec does and for its reason: a file
// that lies in the working directory must not stand in for a program.
func lookUp(name string) (string, error) {
	if name == "" {
		return "", notFound("the command is an empty text (an empty variable?)")
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, isSet := os.LookupEnv("PATH")
	if !isSet {
		return "", notFound("command %s not found: PATH is not set: set it, or give the command's path", quote(name))
	}

	// What was seen on the way, for the message.
	var refused, relative, unsearchable string

	for _, directory := range strings.Split(path, ":") {
		if directory == "" {
			directory = "."
		}
		candidate := directory + "/" + name
		var status unix.Stat_t
		if directory[0] != '/' {
			if unix.Stat(candidate, &status) == nil && isExecutable(candidate, status) {
				relative = candidate
			}
			continue
		}
		switch err := unix.Stat(candidate, &status); {
		case err == unix.ENOENT || err == unix.ENOTDIR:
		case err == unix.EACCES:
			unsearchable = directory
		case err != nil:
			return "", explainExec(candidate, err)
		case isExecutable(candidate, status):
			return candidate, nil
		case refused == "":
			refused = candidate
		}
	}
	switch {
	case refused != "":
		return "", explainExec(refused, unix.EACCES)
	case relative != "":
		return "", notFound("command %s not found: PATH (%s) leads to it only from the current directory: give its path, %s",
			quote(name), quote(path), quote(relative))
	case unsearchable != "":
		return "", notFound("command %s not found in PATH (%s): uid %d may not search %s",
			quote(name), quote(path), os.Geteuid(), quote(unsearchable))
	}
	return "", notFound("command %s not found in PATH (%s)", quote(name), quote(path))
}

// isExecutable tells whether the present user may execute the file at path,
// which has this status. The kernel asks by the real uid, which by now is the
// effective one.
func isExecutable(path string, status unix.Stat_t) bool {
	return !isDirectory(status) && unix.Access(path, unix.X_OK) == nil
}

func isDirectory(status unix.Stat_t) bool { return status.Mode&unix.S_IFMT == unix.S_IFDIR }

// explainExec is the error for an execve of path that failed with err: execve(2).
func explainExec(path string, err error) error {
	var status unix.Stat_t
	missing := unix.Stat(path, &status)
	head := readHead(path)
	interpreter, isScript := interpreterOf(head)
	isELF := bytes.HasPrefix(head, []byte("\x7fELF"))

	reason := err.Error()
	switch {
	case err == unix.ENOTDIR, err == unix.ENOENT && missing != nil:
		return notFound("exec %s: %v", quote(path), err)
	case err == unix.ENOENT && strings.HasSuffix(interpreter, "\r"):
		reason = fmt.Sprintf("its first line names the interpreter %q, with a carriage return: "+
			"change the line ends of the file from CR LF to LF", interpreter)
	case err == unix.ENOENT && isScript:
		reason = fmt.Sprintf("its interpreter %s, named in its first line, does not exist", quote(interpreter))
	case err == unix.ENOENT && isELF:
		reason = "its dynamic loader does not exist: it was linked for another C library (glibc, musl) than the one here"
	case err == unix.EACCES && isDirectory(status):
		reason = "it is a directory"
	case err == unix.EACCES:
		reason = fmt.Sprintf("permission denied to uid %d: it, its interpreter or a directory on the way lacks the x bit, "+
			"or the file system is mounted noexec", os.Geteuid())
	case err == unix.ENOEXEC && isELF:
		reason = fmt.Sprintf("it is a program, but not one for %s/%s", runtime.GOOS, runtime.GOARCH)
	case err == unix.ENOEXEC:
		reason = `it is neither a program nor a script with an interpreter: a shell script begins with the line "#!/bin/sh"`
	case err == unix.EPERM:
		reason = "operation not permitted: it has file capabilities that are not in the bounding set, or a security module denies it"
	case err == unix.EAGAIN:
		reason = fmt.Sprintf("uid %d has as many processes as its limit allows (RLIMIT_NPROC, ulimit -u)", os.Geteuid())
	case err == unix.E2BIG:
		reason = "the arguments and the environment are longer than the kernel takes: shorten them, " +
			"or raise the limit of the stack (RLIMIT_STACK, ulimit -s), of which they may be a quarter"
	}
	return notExecutable("exec %s: %s", quote(path), reason)
}

// interpreterOf returns the interpreter of a script that begins with head.
func interpreterOf(head []byte) (string, bool) {
	line, isScript := bytes.CutPrefix(head, []byte("#!"))
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if !isScript || len(words) == 0 {
		return "", false
	}
	return string(words[0]), true
}

// readHead returns the first bytes of a regular file, as many as the kernel
// looks at to find out what it is (BINPRM_BUF_SIZE), or none of one that the
// present user may not read.
func readHead(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	head := make([]byte, 256)
	n, err := unix.Read(fd, head)
	if err != nil {
		return nil
	}
	return head[:n]
}
