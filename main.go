// Stepdown becomes a user and then becomes a command.
//
// This file is the story from top to bottom: refuse, read the command line,
// resolve the user, become it, exec. Each step stands in a file of its own:
// refuse.go, setup.go (with passwd.go, caps.go and diagnose.go), exec.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
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

  -h, -?, --help   print this text
  -v, --version    print the version
  --               end of options

Exit status: 125 if %[1]s itself failed (nothing was run), 126 if the command
cannot be executed, 127 if it was not found, otherwise the command's own.

  %[1]s redis redis-server /etc/redis.conf
  %[1]s 1000:1000 id
`

// version is for builds that have no version control information:
// go build -ldflags "-X main.version=1.2.3".
var version string

// Credentials and capabilities belong to a thread in Linux, not to a process.
// Locked during initialization, the main goroutine stays on the main thread,
// which then is the one that changes, is verified, and calls execve.
func init() { runtime.LockOSThread() }

func main() {
	name := programName(os.Args)
	err := stepDown(name, os.Args)
	if err == nil {
		return // --help or --version: a command that was run does not come back
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)

	var misuse usageError
	if errors.As(err, &misuse) {
		fmt.Fprintf(os.Stderr, usageLine, name)
	}
	var failed *commandError
	if errors.As(err, &failed) {
		os.Exit(failed.status)
	}
	os.Exit(exitFailed)
}

// stepDown does everything. It returns nil only for --help and --version;
// otherwise it does not return at all, or returns why nothing was run.
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
	id, err := resolveFiles(call.spec, before)
	if err != nil {
		return err
	}
	if id.difference(before) != nil {
		if err := id.apply(); err != nil {
			return err
		}
	}
	if id.UID != 0 {
		if err := clearCapabilities(); err != nil {
			return err
		}
	}
	if err := id.verify(); err != nil {
		return err
	}
	return execute(call.command, setHome(os.Environ(), id.Home))
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

// A call is a parsed command line.
type call struct {
	help, version bool
	spec          string   // user[:group]
	command       []string // the command and its arguments, at least one
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

	if err := options.Parse(args[min(1, len(args)):]); err != nil {
		return call{}, usageError(err.Error())
	}
	rest := options.Args()
	switch {
	case c.help || c.version:
	case len(rest) == 0:
		return call{}, usageError("no user and no command given")
	case len(rest) == 1:
		return call{}, usageError(fmt.Sprintf("no command given after the user %s", quote(rest[0])))
	default:
		c.spec, c.command = rest[0], rest[1:]
	}
	return c, nil
}

// versionLine is name, version, Go version and platform. The version is the
// linker's or else the one that Go recorded from version control.
func versionLine() string {
	v := version
	if v == "" {
		v = "(unknown)"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			v = info.Main.Version
		}
	}
	return fmt.Sprintf("stepdown %s %s %s/%s\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// printOut writes to standard output, where a full disk or a closed pipe is a
// failure like any other.
func printOut(text string) error {
	_, err := io.WriteString(os.Stdout, text)
	return err
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
