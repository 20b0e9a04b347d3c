package main

import (
	"runtime"
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
