// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts a command as a member of the group from its first instruction
// on: it has no time to start children outside. The calling thread must be
// locked to its goroutine.
func (g Group) Start(cmd *exec.Cmd) error {
	root, err := tracking()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, g.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create control group %s: %w", g.path, err)
	}
	if unified() {
		return startUnified(cmd, dir)
	}
	return startByThread(cmd, root, dir)
}

func startUnified(cmd *exec.Cmd, dir string) error {
	group, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open control group: %w", err)
	}
	defer group.Close() //nolint:errcheck // Only read from.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	return cmd.Start()
}

// startByThread uses that in cgroup v1 a thread can be in a group without the
// rest of its process, and that a child starts in the group of the thread that
// made it.
func startByThread(cmd *exec.Cmd, root, dir string) (err error) {
	own, err := ownGroup()
	if err != nil {
		return err
	}
	if err := moveThread(dir); err != nil {
		return err
	}
	// Whoever removes the group must not find this program in it.
	defer func() { err = errors.Join(err, moveThread(filepath.Join(root, own))) }()
	return cmd.Start()
}

func moveThread(dir string) error {
	file := filepath.Join(dir, "tasks")
	if err := os.WriteFile(file, []byte(strconv.Itoa(unix.Gettid())), 0o644); err != nil {
		return fmt.Errorf("move thread into control group %s: %w", dir, err)
	}
	return nil
}

// ownGroup is the path of this thread's group in the tracking hierarchy.
func ownGroup() (string, error) {
	content, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find own control group: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		// Number, controllers, path.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && fields[1] == "pids" {
			return fields[2], nil
		}
	}
	return "", fmt.Errorf("find own control group: /proc/thread-self/cgroup has no line for the pids hierarchy")
}
