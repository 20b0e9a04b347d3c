//go:build faults

package main

// This file starts stepdown ten thousand times, many at once, while /etc/passwd and
// /etc/group are replaced again and again: make test-faults.

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Version n of the files says that app has uid and gid 10000+n, and is in group
// 20000+n. Passwd is replaced first, so that group is of the same version or the
// one before, at each moment. One version further would be of no moment.
func TestFaultsParallel(t *testing.T) {
	const runs, atOnce = 10_000, 100
	etc := make(map[string]string)
	for n := range versionCount {
		etc[fmt.Sprint("passwd", n)] = fmt.Sprintf("app:x:%d:%[1]d::/home/app:/bin/sh\n", 10000+n)
		etc[fmt.Sprint("group", n)] = fmt.Sprintf("video:x:%d:app\n", 20000+n)
	}
	etc["passwd"], etc["group"] = etc["passwd0"], etc["group0"]
	p := newPlace(t, etc)

	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { stopped <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			n++
			for _, name := range []string{"passwd", "group"} {
				path := filepath.Join(p.work, "etc", name)
				if err := os.Link(path+strconv.Itoa(n%versionCount), path+".new"); err != nil {
					t.Error(err)
				}
				if err := os.Rename(path+".new", path); err != nil {
					t.Error(err)
				}
			}
		}
	}()

	var mutex sync.Mutex
	counts := make(map[string]int)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			enter(p.work + "/etc")
			for range runs / atOnce {
				got, err := runCommand(p.environment, slices.Concat([]string{p.bin + "/stepdown", "app"}, showIdentity)...)
				outcome := judgeVersions(got)
				mutex.Lock()
				counts[outcome]++
				mutex.Unlock()
				if err != nil || outcome != "as the files said" && outcome != refused {
					t.Errorf("%s: %+v, %v", outcome, got, err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	t.Logf("the files were replaced %d times: %v", <-stopped, counts)
	if counts["as the files said"] < runs/2 {
		t.Errorf("most of them did not run: %v", counts)
	}
}

// versionCount is how many versions there are; after the last one, the first comes
// again.
const versionCount = 1000

// versions finds the ids in what the command says.
var versions = regexp.MustCompile(`^Uid:\t1(\d{4,})\t.*\nGid:\t1(\d{4,})\t.*\nGroups:\t1(\d{4,}) 2(\d{4,}) \n$`)

// judgeVersions says what came of a run.
func judgeVersions(got run) string {
	found := versions.FindStringSubmatch(got.stdout)
	if found == nil {
		return got.judge(run{stdout: "something else"})
	}
	var n [4]int // of uid, gid, gid among the groups, and group
	for i := range n {
		n[i], _ = strconv.Atoi(found[i+1])
	}
	groupIsBehind := (n[0] - n[3] + versionCount) % versionCount
	if got.status != 0 || n[1] != n[0] || n[2] != n[0] || groupIsBehind > 1 {
		return ranAsAnother
	}
	return "as the files said"
}

// enter puts the goroutine into a mount namespace in which etc is /etc, as sandbox
// does for a command. Its thread ends with it.
func enter(etc string) {
	runtime.LockOSThread()
	must("unshare", unix.Unshare(unix.CLONE_NEWNS))
	must("make / private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must("bind etc", unix.Mount(etc, "/etc", "", unix.MS_BIND, ""))
}
