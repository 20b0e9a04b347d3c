// Stepdown becomes a user and then becomes a command.
//
// This file is the story from top to bottom: refuse, read the command line,
// resolve the user, become it, exec. Each step stands in a file of its own:
// refuse.go, options.go, setup.go (with passwd.go, caps.go, diagnose.go), exec.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Exit statuses of stepdown itself, as env(1), chroot(1) and docker run have
// them. After the exec the process is the command, and so is its status.
const (
	exitFailed        = 125 // stepdown failed, usage included; nothing was run
	exitNotExecutable = 126 // the command was found but cannot be executed
	exitNotFound      = 127 // the command was not found
)

const usageLine = "usage: %[1]s [options] user[:group] command [argument...]\n"

const usage = usageLine + `
Become exactly that user, then become the command: the same process, with the
terminal, signals, environment and open files as they are. Only HOME is set anew.

  user    a name from /etc/passwd, or a uid
  group   a name from /etc/group, or a gid: then the only group;
          without it, the user's own group and each one that lists the user

Options stand before the user; everything after it goes to the command.

  --if-root               switch only as root; run the command as it is otherwise
  --no-new-privs          no setuid program or file capability raises it again
  --cap-drop=CAP,...|ALL  it has none of these, and cannot get them
  --cap-add=CAP,...       it has these, as the user that it is
  --group-add=GROUP,...   further groups
  --init-groups           with a group, also each one that lists the user
  --keep-groups           also the caller's groups
  --login-env             set USER, LOGNAME and SHELL as well as HOME
  --print                 print who it would be, and run nothing
  -h, -?, --help          print this text
  -v, --version           print the version
  --                      end of options

Exit status: 125 if %[1]s itself failed (nothing was run), 126 if the command
cannot be executed, 127 if it was not found, otherwise the command's own.

  %[1]s redis redis-server /etc/redis.conf
  %[1]s --cap-drop=ALL --cap-add=NET_BIND_SERVICE www-data nginx -g 'daemon off;'
`

// version is the linker's to set: make VERSION=1.2.3. It is not taken from the
// build information, which go version -m shows, because reading that is 17 KB of
// the program.
var version = "(devel)"

// Credentials and capabilities belong to a thread in Linux, not to a process.
// Locked during initialization, the main goroutine stays on the main thread,
// which then is the one that changes, is verified, and calls execve.
func init() { runtime.LockOSThread() }

func main() {
	name := programName(os.Args)
	err := stepDown(name, os.Args)
	if err == nil {
		return // --help, --version or --print: a command that is run does not come back
	}
	text := fmt.Sprintf("%s: %v\n", name, err)
	var misuse usageError
	if errors.As(err, &misuse) {
		text += fmt.Sprintf(usageLine, name)
	}
	_ = write(standardError, text) // there is nobody left to tell

	var failed *commandError
	if errors.As(err, &failed) {
		os.Exit(failed.status)
	}
	os.Exit(exitFailed)
}

// stepDown does everything. It returns nil where there was only something to
// print; otherwise it does not return at all, or returns why nothing was run.
func stepDown(name string, args []string) error {
	if err := refuseElevated(); err != nil {
		return err
	}

	call, err := parseArguments(args)
	switch {
	case err != nil:
		return err
	case call.help:
		return printOut(fmt.Sprintf(usage, name))
	case call.version:
		return printOut(versionLine())
	}

	before, err := readCredentials()
	if err != nil {
		return err
	}
	if call.ifRoot && !call.print && before.uid.effective != 0 {
		return execute(call.command, os.Environ())
	}
	id, err := resolveFiles(call.spec, call.groups, before)
	if err != nil {
		return err
	}
	if call.print {
		return printIdentity(id, call.privileges)
	}
	environment, err := id.environment(os.Environ(), call.loginEnv)
	if err != nil {
		return err
	}
	if err := id.become(before, call.privileges); err != nil {
		return err
	}
	return execute(call.command, environment)
}

// programName is what messages begin with: the base name of argv[0], so that a
// link named gosu speaks as gosu.
func programName(args []string) string {
	if len(args) == 0 {
		return "stepdown"
	}
	name := args[0][strings.LastIndexByte(args[0], '/')+1:]
	if name == "" {
		return "stepdown"
	}
	return name
}

// versionLine is name, version, Go version and platform.
func versionLine() string {
	return fmt.Sprintf("stepdown %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

const (
	standardOutput = 1
	standardError  = 2
)

// printOut writes to standard output, where a full disk or a closed pipe is a
// failure like any other.
func printOut(text string) error {
	if err := write(standardOutput, text); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// write writes to a file descriptor. It is not an os.File that does this, because
// those bring package time with its time zones: 86 KB of the program.
func write(fd int, text string) error {
	for rest := []byte(text); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// quote makes text from outside safe to stand in a one-line message: control
// characters escaped, and no longer than a line can bear.
func quote[T string | []byte](text T) string {
	const longest = 200 // bytes
	if len(text) > longest {
		return fmt.Sprintf("%q...", text[:longest])
	}
	return fmt.Sprintf("%q", text)
}
