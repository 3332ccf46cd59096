// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/cluster/internal/process"
	"github.com/tierwall/tierwall/test/cluster/internal/thread"
)

func TestRemoveKillsChildrenToo(t *testing.T) {
	group := newGroup(t)
	// The shell's child is in a session of its own and outlives the shell.
	parent := start(t, group, "sh", "setsid sleep 600 & exec sleep 600")
	pids := waitFor(t, group, 2)
	if !slices.Contains(pids, parent.PID()) {
		t.Fatalf("processes %v of the group lack the started one, %d", pids, parent.PID())
	}
	remove(t, group)
	<-parent.Exited()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d of the group is alive", pid)
		}
	}
	if left, err := group.Processes(); err != nil || len(left) != 0 {
		t.Errorf("the group has processes %v, error %v; want none", left, err)
	}
	if dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + group.Path()); len(dirs) != 0 {
		t.Errorf("control groups are left: %v", dirs)
	}
}

func TestRemoveTouchesNothingElse(t *testing.T) {
	one, other := newGroup(t), newGroup(t)
	first, second := start(t, one, "one", "exec sleep 600"), start(t, other, "other", "exec sleep 600")
	remove(t, one)
	<-first.Exited()
	if !alive(second.PID()) {
		t.Error("removing one group killed a process of another")
	}
	// A group that is gone is no error.
	remove(t, one)
}

func TestFailureShowsTheLog(t *testing.T) {
	p := start(t, newGroup(t), "broken", "echo cannot find the moon; exit 3")
	<-p.Exited()
	err := p.Failure()
	if err == nil || !strings.Contains(err.Error(), "cannot find the moon") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("failure is %v, want one with the log and the exit status", err)
	}
}

func newGroup(t *testing.T) process.Group {
	t.Helper()
	netnstest.Require(t)
	group := process.NewGroup(fmt.Sprintf("tierwalltest-%d-%d", os.Getpid(), time.Now().UnixNano()))
	t.Cleanup(func() { remove(t, group) })
	return group.Child("inner")
}

func start(t *testing.T, group process.Group, name, script string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Config{
		Name: name, Command: []string{"/bin/sh", "-c", script}, LogFile: filepath.Join(t.TempDir(), name+".log"),
		Group: group, Within: thread.Run,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func remove(t *testing.T, group process.Group) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := group.Remove(ctx); err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, group process.Group, count int) []int {
	t.Helper()
	for range 200 {
		pids, err := group.Processes()
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) >= count {
			return pids
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the group never had %d processes", count)
	return nil
}

// alive is false for a process that ended and waits for its parent to ask.
func alive(pid int) bool {
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
