package main

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Credentials belong to a thread. The main goroutine has the main thread to
// itself, so that no other can come to run with the credentials that it sets,
// and it cannot come to run on a thread that has others.
func TestMainThreadIsLocked(t *testing.T) {
	const goroutines = 50 // each with a thread of its own, the main one too if it were to be had
	var started, ended sync.WaitGroup
	started.Add(goroutines)
	for range goroutines {
		ended.Go(func() {
			runtime.LockOSThread()
			if unix.Gettid() == unix.Getpid() {
				t.Error("a goroutine runs on the main thread")
			}
			started.Done()
			started.Wait()
		})
	}
	ended.Wait()
}

// An empty argv, which a kernel before 5.18 hands on, is misuse like any other.
func TestEmptyArgv(t *testing.T) {
	if name := programName(nil); name != "stepdown" {
		t.Errorf("the name is %q", name)
	}
	_, err := parseArguments(nil)
	if misuse := usageError(""); !errors.As(err, &misuse) || err.Error() != "no user and no command given" {
		t.Errorf("got %v", err)
	}
}

// What is quoted is no longer than a line can bear.
func TestQuote(t *testing.T) {
	most := strings.Repeat("x", 200)
	for text, want := range map[string]string{
		"a\nb\x1b[31m": `"a\nb\x1b[31m"`,
		most:           `"` + most + `"`,
		most + "y":     `"` + most + `"...`,
	} {
		if got := quote(text); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
