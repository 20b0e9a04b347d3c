package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInterpreterOf(t *testing.T) {
	tests := []struct{ head, want string }{
		{"#!/bin/sh\necho", "/bin/sh"},
		{"#! \t/usr/bin/env  python3 -x\n", "/usr/bin/env"},
		{"#!/bin/sh", "/bin/sh"},
		{"#!/bin/sh\r\n", "/bin/sh\r"},
		{"#!\n/bin/sh", ""},
		{"#!", ""},
		{"#", ""},
		{"", ""},
		{"echo #!/bin/sh\n", ""},
	}
	for _, tt := range tests {
		if got, ok := interpreterOf([]byte(tt.head)); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v, want %q", tt.head, got, ok, tt.want)
		}
	}
}

// What the scripts cannot bring about in every kernel: see command.txtar for the rest.
func TestExplainExec(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("\x00data"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		err    error
		status int
		want   string
	}{
		{
			unix.E2BIG, exitNotExecutable, `exec "` + file + `": the arguments and the environment are longer than the kernel takes: ` +
				`shorten them, or raise the limit of the stack (RLIMIT_STACK, ulimit -s), of which they may be a quarter`,
		},
		{unix.EIO, exitNotExecutable, `exec "` + file + `": input/output error`},
		{unix.ETXTBSY, exitNotExecutable, `exec "` + file + `": text file busy`},
		{unix.ENOENT, exitNotExecutable, `exec "` + file + `": no such file or directory`},
	}
	for _, tt := range tests {
		err, ok := explainExec(file, tt.err).(*commandError)
		if !ok || err.status != tt.status || err.reason != tt.want {
			t.Errorf("%v: got %+v, want status %d, %s", tt.err, err, tt.status, tt.want)
		}
	}
}
