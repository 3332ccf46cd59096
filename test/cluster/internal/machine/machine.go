// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine gives processes the view of a machine of their own: host
// name, network, and directories such as /run and /var/lib, so that two nodes
// on one computer do not meet in the file system.
package machine

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/test/cluster/internal/netlab"
	"github.com/tierwall/tierwall/test/cluster/internal/thread"
)

// Config describes a machine.
type Config struct {
	// Hostname is the machine's host name.
	Hostname string
	// Network is the network namespace the machine is in.
	Network netlab.Namespace
	// Directories maps a path on the machine to the directory that stands there.
	Directories map[string]string
}

// Boot runs fn in new mount and UTS namespaces and the machine's network
// namespace. They live as long as a process that fn starts; mounts made there
// are not seen outside and go with them.
func Boot(cfg Config, fn func() error) error {
	return cfg.Network.Do(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
			return fmt.Errorf("machine %s: make namespaces: %w", cfg.Hostname, err)
		}
		if err := unix.Sethostname([]byte(cfg.Hostname)); err != nil {
			return fmt.Errorf("machine %s: set host name: %w", cfg.Hostname, err)
		}
		if err := mountDirectories(cfg.Directories); err != nil {
			return fmt.Errorf("machine %s: %w", cfg.Hostname, err)
		}
		return fn()
	})
}

// Enter runs fn in the mount, UTS and network namespaces of a process.
func Enter(pid int, fn func() error) error {
	return thread.Run(func() error {
		if err := join(pid); err != nil {
			return err
		}
		return fn()
	})
}

func join(pid int) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("find process %d: %w", pid, err)
	}
	defer unix.Close(process) //nolint:errcheck // Only a reference.
	// A mount namespace can be entered only by a thread that shares its working
	// directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("detach thread's working directory: %w", err)
	}
	if err := unix.Setns(process, unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter namespaces of process %d: %w", pid, err)
	}
	return nil
}

func mountDirectories(directories map[string]string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("detach mounts from those of this computer: %w", err)
	}
	for _, target := range slices.Sorted(maps.Keys(directories)) {
		// What this computer has mounted there would stay in use, unseen, for as
		// long as this machine runs: network namespaces under /run, for one.
		if err := unmountBelow(target); err != nil {
			return err
		}
		if err := unix.Mount(directories[target], target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", directories[target], target, err)
		}
	}
	// Shared, as on a real node: volumes with mount propagation need it.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts with containers: %w", err)
	}
	return nil
}

func unmountBelow(dir string) error {
	points, err := mountPoints()
	if err != nil {
		return err
	}
	for _, point := range slices.Backward(points) {
		if point != dir && !strings.HasPrefix(point, dir+string(filepath.Separator)) {
			continue
		}
		// EINVAL: gone with a mount above it.
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return nil
}

// mountPoints lists the mount points that this thread sees, in the order they
// were mounted.
func mountPoints() ([]string, error) {
	file, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer file.Close() //nolint:errcheck // Only read from.
	var points []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		points = append(points, strings.Fields(lines.Text())[4])
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return points, nil
}
