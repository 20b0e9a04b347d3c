//go:build docker

// This file tests stepdown under an engine that maps the ids of its containers
// to others of the machine (dockerd --userns-remap). It starts such an engine by
// itself: no other need be changed for it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ids that are mapped can be become; one that is not is named.
func TestDockerRemap(t *testing.T) {
	const firstID, count = 700000, 65536 // of the machine's ids, for those of containers from 0 on
	image := buildImage(t, map[string]string{"Dockerfile": `FROM debian:bookworm-slim
RUN printf '%s\n' app:x:1000:1000::/home/app:/bin/sh far:x:1001:1001::/:/bin/sh >>/etc/passwd
RUN printf '%s\n' video2:x:4400:app far:x:65536:far >>/etc/group
COPY stepdown /usr/local/bin/
`})
	engine := startRemapped(t, firstID, count)
	if out, err := exec.Command("sh", "-c", `docker save "$1" | docker --host "$2" load`, "sh", image, engine).CombinedOutput(); err != nil {
		t.Fatalf("copy the image: %v\n%s", err, out)
	}

	const show = `grep -E '^(Uid|Gid|Groups):' /proc/self/status; cat /proc/self/uid_map`
	const notMapped = " is not mapped in this user namespace: map it, or take one that is\n"
	for _, tt := range []struct {
		spec, stdout, stderr string
		status               int
	}{
		{spec: "app", stdout: "Uid: 1000 1000 1000 1000 Gid: 1000 1000 1000 1000 Groups: 1000 4400 0 700000 65536"},
		{spec: "65535:65535", stdout: "Uid: 65535 65535 65535 65535 Gid: 65535 65535 65535 65535 Groups: 65535 0 700000 65536"},
		{spec: "root", stdout: "Uid: 0 0 0 0 Gid: 0 0 0 0 Groups: 0 0 700000 65536"},
		{spec: "65536:1000", stderr: "stepdown: setresuid 65536: uid 65536" + notMapped, status: exitFailed},
		{spec: "app:65536", stderr: "stepdown: setgroups 65536: gid 65536" + notMapped, status: exitFailed},
		{spec: "far", stderr: "stepdown: setgroups 1001 65536: gid 65536" + notMapped, status: exitFailed},
	} {
		run := exec.Command("docker", "--host", engine, "run", "--rm", "--network", "none", image, "stepdown", tt.spec, "sh", "-c", show)
		var stdout, stderr strings.Builder
		run.Stdout, run.Stderr = &stdout, &stderr
		err := run.Run()
		if run.ProcessState == nil {
			t.Fatal(err)
		}
		if got := run.ProcessState.ExitCode(); got != tt.status {
			t.Errorf("%s: status %d, want %d", tt.spec, got, tt.status)
		}
		if got := strings.Join(strings.Fields(stdout.String()), " "); got != tt.stdout {
			t.Errorf("%s: got  %q\nwant %q", tt.spec, got, tt.stdout)
		}
		if got := stderr.String(); got != tt.stderr {
			t.Errorf("%s: got  %q\nwant %q", tt.spec, got, tt.stderr)
		}
	}

	// Seen from the machine, the command has another uid.
	run := exec.Command("docker", "--host", engine, "run", "--rm", "--interactive", "--name", image, "--network", "none", image,
		"stepdown", "app", "cat")
	stdin, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(stdin, "ready")
	if _, err := fmt.Fscanln(stdout, new(string)); err != nil { // cat runs
		t.Fatal(err)
	}
	pid, err := docker("--host", engine, "inspect", "--format", "{{.State.Pid}}", image)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("/proc/" + strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != firstID+1000 {
		t.Errorf("on the machine the uid is %d, want %d", uid, firstID+1000)
	}
	stdin.Close()
	if err := run.Wait(); err != nil {
		t.Error(err)
	}
}

// startRemapped starts an engine that maps the ids of containers from 0 on to
// this machine's from firstID on, and returns what docker --host takes. The user
// to whom these belong is only in its own copy of the files in /etc, in a mount
// namespace.
func startRemapped(t *testing.T, firstID, count int) string {
	t.Helper()
	needRoot(t)
	dir := publicDir(t)
	owned := fmt.Sprintf("stepdown-remap:%d:%d\n", firstID, count)
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("stepdown-remap:x:%d:%d::/:/usr/sbin/nologin\n", firstID, firstID),
		"group":  fmt.Sprintf("stepdown-remap:x:%d:\n", firstID),
		"subuid": owned,
		"subgid": owned,
	} {
		file, err := os.ReadFile("/etc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(file, line...), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// Debian's dockerd, and its containerd with it, end at SIGTERM.
	engine := exec.Command("unshare", "--mount", "sh", "-c", `
		for file in passwd group subuid subgid; do mount --bind "$file" "/etc/$file" || exit 1; done
		exec dockerd --host "unix://$PWD/docker.sock" --data-root "$PWD/data" --exec-root "$PWD/exec" --pidfile "$PWD/pid" \
			--iptables=false --ip6tables=false --bridge=none --userns-remap=stepdown-remap`)
	engine.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	engine.Stdout, engine.Stderr = log, log
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { engine.Wait(); close(ended) }()
	t.Cleanup(func() {
		engine.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			engine.Process.Kill()
			t.Error("the engine does not end")
		}
	})

	host := "unix://" + filepath.Join(dir, "docker.sock")
	answers, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := docker("--host", host, "info")
		if err == nil {
			return host
		}
		select {
		case <-ended:
		case <-answers.Done():
		case <-time.After(100 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("no engine with remapped ids: %v\n%s", err, text)
	}
}
