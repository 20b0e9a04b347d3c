package main

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asPID1 returns a command that steps down to user app, uid 1000, as the first
// process of a new PID namespace: what the entrypoint of a container is.
func asPID1(t *testing.T, command ...string) *exec.Cmd {
	t.Helper()
	needRoot(t)
	needNamespaces(t)
	work := workDir(t, map[string]string{"passwd": "app:x:1000:1000::/:/bin/sh\n"})
	cmd := exec.Command(filepath.Join(helpersDir(t), "sandbox"),
		append([]string{filepath.Join(installed(t), "stepdown"), "app"}, command...)...)
	cmd.Env = append(processor(), "WORK="+work, "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// readUntil reads r up to and with the line that contains text, and returns what
// it read.
func readUntil(t *testing.T, r *bufio.Reader, text string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if strings.Contains(line, text) {
			return all.String()
		}
		if err != nil {
			t.Fatalf("no %q in the output: %v: %q", text, err, all.String())
		}
	}
}

// The command is PID 1 and alone, and signals reach it: what docker stop needs.
func TestPID1(t *testing.T) {
	cmd := asPID1(t, "sh", "-c", `trap 'echo got TERM; exit 42' TERM; echo "I am $$"; read -r forever`)
	stdin, err := cmd.StdinPipe() // left open, for the shell to wait on
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	if got := readUntil(t, out, "I am"); got != "I am 1\n" {
		t.Errorf("got %q, want PID 1", got)
	}
	if got := processesBeside(t, cmd.Process.Pid); len(got) > 0 {
		t.Errorf("other processes in the PID namespace: %v", got)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || string(rest) != "got TERM\n" {
		t.Errorf("after SIGTERM: %q, %v", rest, err)
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 42 {
		t.Errorf("ended with %v, want status 42", err)
	}
}

// processesBeside returns the other processes in the PID namespace of pid.
func processesBeside(t *testing.T, pid int) []string {
	t.Helper()
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil || len(all) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	return slices.DeleteFunc(all, func(link string) bool {
		other, err := os.Readlink(link)
		return err != nil || other != namespace || link == fmt.Sprintf("/proc/%d/ns/pid", pid)
	})
}

// From the moment at which it has the user's uid on, and up to the exec, no other
// process of that user may look into it: its other threads are root's as yet.
func TestNobodyLooksIn(t *testing.T) {
	needRoot(t)
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(filepath.Join(installed(t), "stepdown"), "1000:1000", "sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	pid := cmd.Process.Pid
	var stop syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &stop, 0, nil); err != nil || !stop.Stopped() {
		t.Fatalf("after the start: %v, %v", stop, err)
	}

	// From one system call to the next.
	stops := 0
	for {
		signal := 0
		if stop.StopSignal() != syscall.SIGTRAP {
			signal = int(stop.StopSignal())
		}
		if err := syscall.PtraceSyscall(pid, signal); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Wait4(pid, &stop, 0, nil); err != nil || !stop.Stopped() {
			t.Fatalf("ended before the exec: %v, %v", stop, err)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(status), "\nUid:\t1000\t1000\t1000\t1000\n") {
			continue
		}
		look := exec.Command("cat", fmt.Sprintf("/proc/%d/environ", pid))
		look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		err = look.Run()
		if strings.HasPrefix(string(status), "Name:\tsleep\n") {
			if err != nil {
				t.Errorf("the command itself cannot be looked into: %v", err)
			}
			break
		}
		stops++
		if err == nil {
			t.Fatalf("looked in at the stop number %d", stops)
		}
	}
	if stops < 5 {
		t.Errorf("stopped %d times between setresuid and execve", stops)
	}
}

// The program needs no library and no loader, so that no file of the image and no
// LD_PRELOAD gets its code into it.
func TestProgramIsStatic(t *testing.T) {
	program, err := elf.Open(filepath.Join(installed(t), "stepdown"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %v", segment.Type)
		}
	}
}

// On a terminal, the terminal stays the controlling one: the keyboard's signals
// and a change of the window's size reach the command.
func TestTerminal(t *testing.T) {
	cmd := asPID1(t, "sh", "-c", `
		trap 'echo got INT' INT
		trap 'echo got WINCH $(stty size)' WINCH
		echo size $(stty size)
		tty
		echo on the terminal >/dev/tty
		echo ready
		until read -r line && test "$line"; do :; done
		echo "read $line"`)
	terminal, keyboard := openTerminal(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	screen := bufio.NewReader(keyboard)

	start := readUntil(t, screen, "ready")
	for _, want := range []string{"size 24 80\r\n", terminal.Name() + "\r\n", "on the terminal\r\n"} {
		if !strings.Contains(start, want) {
			t.Errorf("no %q in %q", want, start)
		}
	}

	// A shell hears of a signal that comes just before it begins to read only
	// afterwards, so each is sent until it was heard; and each may end a read.
	untilRead(t, keyboard, screen, "got INT", func() {
		if _, err := keyboard.Write([]byte{3}); err != nil { // Ctrl-C
			t.Fatal(err)
		}
	})
	untilRead(t, keyboard, screen, "got WINCH 50 132", func() {
		resize(t, keyboard, 50, 131)
		resize(t, keyboard, 50, 132)
	})
	patience(t, keyboard, 20*time.Second)

	if _, err := keyboard.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	readUntil(t, screen, "read typed")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// untilRead does something again and again until text is on the screen: whenever
// there is nothing new for two seconds, for a minute. It leaves the deadline of
// keyboard, which screen reads, to be set anew.
func untilRead(t *testing.T, keyboard *os.File, screen *bufio.Reader, text string, do func()) {
	t.Helper()
	var seen strings.Builder
	end := time.Now().Add(time.Minute)
	for do(); !strings.Contains(seen.String(), text); {
		if time.Now().After(end) {
			t.Fatalf("no %q on the screen: %q", text, &seen)
		}
		patience(t, keyboard, 2*time.Second)
		line, err := screen.ReadString('\n')
		seen.WriteString(line)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			do()
		case err != nil:
			t.Fatalf("%v after %q", err, &seen)
		}
	}
}

// patience says how long keyboard is waited for from here on.
func patience(t *testing.T, keyboard *os.File, d time.Duration) {
	t.Helper()
	if err := keyboard.SetDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// openTerminal returns both ends of a new pseudo-terminal of 24 lines of 80
// characters: the one for the command, and the one for the person.
func openTerminal(t *testing.T) (terminal, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	patience(t, keyboard, 20*time.Second)
	var number int
	onTerminal(t, keyboard, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	resize(t, keyboard, 24, 80)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal, keyboard
}

func resize(t *testing.T, keyboard *os.File, lines, columns uint16) {
	t.Helper()
	onTerminal(t, keyboard, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: columns})
	})
}

// onTerminal calls do with the descriptor of keyboard, which stays in Go's
// poller, so that its deadline holds.
func onTerminal(t *testing.T, keyboard *os.File, do func(fd int) error) {
	t.Helper()
	raw, err := keyboard.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}
