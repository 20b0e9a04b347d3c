//go:build docker

// This file tests one-off commands, which a person types at a terminal: docker
// run -it and docker exec -it, with the keyboard's signals, job control and the
// size of the window. docker stop is in testdata/docker/stop.txtar.
package main

import (
	"bufio"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const oneoffDockerfile = `FROM debian:bookworm-slim
RUN echo 'ops:x:1000:1000::/home/ops:/bin/sh' >>/etc/passwd && echo 'ops:x:1000:' >>/etc/group
COPY stepdown /usr/local/bin/
`

// A shell that is PID 1 of a container.
func TestDockerRunTerminal(t *testing.T) {
	image := buildImage(t, map[string]string{"Dockerfile": oneoffDockerfile})
	useShell(t, "1", "run", "--rm", "-it", "--name", image, "--network", "none", "--env", "PS1=prompt>", image, "stepdown", "ops", "sh")
}

// The same behind an init.
func TestDockerInitTerminal(t *testing.T) {
	image := buildImage(t, map[string]string{"Dockerfile": oneoffDockerfile})
	useShell(t, "", "run", "--init", "--rm", "-it", "--name", image, "--network", "none", "--env", "PS1=prompt>", image, "stepdown", "ops", "sh")
}

// A shell in a container that runs already.
func TestDockerExecTerminal(t *testing.T) {
	image := buildImage(t, map[string]string{"Dockerfile": oneoffDockerfile})
	if _, err := docker("run", "--detach", "--init", "--name", image, "--network", "none", image, "sleep", "1000"); err != nil {
		t.Fatal(err)
	}
	useShell(t, "", "exec", "-it", "--env", "PS1=prompt>", image, "stepdown", "ops", "sh")
}

// useShell runs docker with args, by which user ops, uid 1000, comes to a shell,
// and uses it as a person does. Where pid is not empty, it has to be the shell's.
//
// Words that are waited for are written with quotes in them (wo”rd), because the
// terminal echoes what is typed.
func useShell(t *testing.T, pid string, args ...string) {
	terminal, keyboard := openTerminal(t)
	patience(t, keyboard, 2*time.Minute)
	cmd := exec.Command("docker", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	screen := bufio.NewReader(keyboard)
	enter := func(keys string) {
		t.Helper()
		if _, err := keyboard.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	const controlC, controlZ = "\x03", "\x1a"

	// Who and where.
	if start := readThrough(t, screen, "prompt>"); strings.Contains(start, "job control") {
		t.Errorf("the shell complains: %q", start)
	}
	enter("id -u; id -g; echo pid=$$; tty; echo to the terminal >/dev/tty; echo wh''o\n")
	who := readUntil(t, screen, "who\r")
	for _, want := range []string{"\n1000\r\n1000\r\n", "\n/dev/pts/", "\nto the terminal\r\n"} {
		if !strings.Contains(who, want) {
			t.Errorf("no %q in %q", want, who)
		}
	}
	if pid != "" && !strings.Contains(who, "\npid="+pid+"\r\n") {
		t.Errorf("no PID %s in %q", pid, who)
	}

	// The size of the window: docker sets the first one when the command already
	// runs, begins to watch for changes, and passes on each from then on. One that
	// comes too early is lost, so there are as many as it takes.
	enter(`until test "$(stty size)" = "24 80"; do sleep 0.1; done; echo siz''ed` + "\n")
	readUntil(t, screen, "sized\r")
	enter(`sh -c 'trap "stty size" WINCH; echo watch''ing; while :; do sleep 0.1; done'` + "\n")
	readUntil(t, screen, "watching\r")
	untilRead(t, keyboard, screen, "50 132\r", func() {
		resize(t, keyboard, 50, 131)
		resize(t, keyboard, 50, 132)
	})
	patience(t, keyboard, 2*time.Minute)

	// Ctrl-C ends the command at work, and not the shell.
	enter(controlC)
	readThrough(t, screen, "prompt>")
	enter("echo sta''tus=$?\n")
	if got := readUntil(t, screen, "status="); !strings.Contains(got, "status=130\r\n") {
		t.Errorf("after Ctrl-C: %q, want status 130", got)
	}

	// Ctrl-Z stops it, and fg goes on with it.
	enter(`sh -c 'echo read''ing; read -r line; echo "go''t $line"'` + "\n")
	readUntil(t, screen, "reading\r")
	enter(controlZ)
	readUntil(t, screen, "Stopped")
	enter("jobs; echo job''s\n")
	if got := readUntil(t, screen, "jobs\r"); !strings.Contains(got, "Stopped") {
		t.Errorf("no stopped job in %q", got)
	}
	enter("fg\ntyped\n")
	readUntil(t, screen, "got typed\r")

	// The shell's own status comes out.
	enter("exit 42\n")
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 42 {
		t.Errorf("ended with %v, want status 42", err)
	}
}

// readThrough reads r up to and with text, which need not end a line.
func readThrough(t *testing.T, r *bufio.Reader, text string) string {
	t.Helper()
	var all strings.Builder
	for !strings.HasSuffix(all.String(), text) {
		c, err := r.ReadByte()
		if err != nil {
			t.Fatalf("no %q in the output: %v: %q", text, err, all.String())
		}
		all.WriteByte(c)
	}
	return all.String()
}
