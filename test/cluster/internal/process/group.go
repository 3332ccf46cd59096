// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process starts the daemons of a test cluster and finds them again.
// Every process is put into a control group of the cluster, which its children
// inherit, so that a cluster's processes are known to the kernel: also those
// of containers, those of a starter that crashed, and never a process that was
// given the number of a dead one.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mountPoint is where every Linux distribution mounts control groups.
const mountPoint = "/sys/fs/cgroup"

// Group is a control group, by its path below the root of the hierarchy.
type Group struct {
	path string
}

// NewGroup names a group such as "tierwall-demo/control-plane". Nothing is
// made until a process joins.
func NewGroup(path string) Group { return Group{path: path} }

// Path is the absolute path of the group in its hierarchy, as the kubelet's
// cgroupRoot wants it.
func (g Group) Path() string { return "/" + g.path }

// Child is the group of that name below this one.
func (g Group) Child(name string) Group { return Group{path: filepath.Join(g.path, name)} }

// Create makes the group in every hierarchy, as the kubelet expects of its
// root.
func (g Group) Create() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.MkdirAll(filepath.Join(root, g.path), 0o755); err != nil {
			return fmt.Errorf("create control group %s: %w", g.path, err)
		}
	}
	if unified() {
		return g.delegate()
	}
	return nil
}

// delegate lets the group use every controller of the machine: in cgroup v2 a
// group has only those that each group above it passes on.
func (g Group) delegate() error {
	parent := mountPoint
	for element := range strings.SplitSeq(g.path, "/") {
		controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return fmt.Errorf("control group %s: list controllers: %w", g.path, err)
		}
		for controller := range strings.FieldsSeq(string(controllers)) {
			file := filepath.Join(parent, "cgroup.subtree_control")
			if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil {
				return fmt.Errorf("control group %s: pass controller %s on: %w", g.path, controller, err)
			}
		}
		parent = filepath.Join(parent, element)
	}
	return nil
}

// Processes lists the processes in the group and below, in no order.
func (g Group) Processes() ([]int, error) {
	root, err := tracking()
	if err != nil {
		return nil, err
	}
	var pids []int
	err = filepath.WalkDir(filepath.Join(root, g.path), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		found, err := readPIDs(path)
		pids = append(pids, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list processes of control group %s: %w", g.path, err)
	}
	return pids, nil
}

// Remove kills every process in the group and below and removes the group from
// every hierarchy. It returns when they are gone; a group that does not exist
// is not an error.
func (g Group) Remove(ctx context.Context) error {
	for {
		pids, err := g.Processes()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			// A thread of this program that is just starting a process.
			if pid == os.Getpid() {
				continue
			}
			// ESRCH: it ended by itself.
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d of control group %s: %w", pid, g.path, err)
			}
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for %d processes of control group %s to end: %w", len(pids), g.path, err)
		}
	}
	return g.removeDirectories(ctx)
}

func (g Group) removeDirectories(ctx context.Context) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		for {
			err := removeTree(filepath.Join(root, g.path))
			if err == nil {
				break
			}
			// The kernel frees a group a moment after its last process ended.
			if !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("remove control group %s: %w", g.path, err)
			}
			if waitErr := pause(ctx); waitErr != nil {
				return fmt.Errorf("remove control group %s: %w", g.path, errors.Join(err, waitErr))
			}
		}
	}
	return nil
}

// removeTree removes a group and those below it; their files go with them.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		if err := unix.Rmdir(d); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// Available tells whether this machine has control groups to use.
func Available() error {
	_, err := tracking()
	return err
}

// hierarchies are the mount points of all control group hierarchies.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{mountPoint}, nil
	}
	entries, err := os.ReadDir(mountPoint)
	if err != nil {
		return nil, fmt.Errorf("list control group hierarchies: %w", err)
	}
	var roots []string
	for _, e := range entries {
		root := filepath.Join(mountPoint, e.Name())
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil && e.IsDir() {
			roots = append(roots, root)
		}
	}
	return roots, nil
}

// tracking is the hierarchy that tells which process belongs to a group. Any
// in which container runtimes put every container would do.
func tracking() (string, error) {
	if unified() {
		return mountPoint, nil
	}
	root := filepath.Join(mountPoint, "pids")
	if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
		return "", fmt.Errorf("find the control groups of this machine (mount cgroup v2 or the v1 pids hierarchy under %s): %w", mountPoint, err)
	}
	return root, nil
}

// unified tells whether the machine uses cgroup v2 alone.
func unified() bool {
	_, err := os.Stat(filepath.Join(mountPoint, "cgroup.controllers"))
	return err == nil
}

func readPIDs(file string) ([]int, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(string(content)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}
