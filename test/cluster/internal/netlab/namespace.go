// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package netlab makes network namespaces and the links between them. It adds
// nothing to the network namespace of the machine: every link is made inside
// the namespaces that it joins.
package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/test/cluster/internal/thread"
)

// directory is where iproute2 and the netns package keep named namespaces.
const directory = "/run/netns"

// Namespace is a named network namespace, visible to `ip netns`.
type Namespace struct {
	name string
}

// Create makes a namespace with its loopback interface up. A name that is
// taken is an error.
func Create(name string) (Namespace, error) {
	n := Namespace{name: name}
	err := thread.Run(func() error {
		if err := shareDirectory(); err != nil {
			return err
		}
		handle, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		return handle.Close()
	})
	if err != nil {
		return n, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	return n, n.linkUp("lo")
}

// shareDirectory makes the directory a mount of its own, as `ip netns add` does.
// Otherwise somebody's first `ip netns add` would put such a mount over the
// namespaces that are there, and nobody could remove them any more.
func shareDirectory() error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	lock, err := os.Open(directory)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // Only locked.
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", directory, err)
	}
	share := func() error { return unix.Mount("", directory, "none", unix.MS_SHARED|unix.MS_REC, "") }
	// EINVAL: it is no mount yet.
	if err := share(); !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(directory, directory, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", directory, err)
	}
	return share()
}

// Open names a namespace that Create made earlier.
func Open(name string) Namespace { return Namespace{name: name} }

// Name is the name that `ip netns` knows.
func (n Namespace) Name() string { return n.name }

// Path is the file that stands for the namespace.
func (n Namespace) Path() string { return filepath.Join(directory, n.name) }

// Do runs fn on a thread inside the namespace: sockets it opens and processes
// it starts belong to the namespace for as long as they live. Goroutines that
// fn starts do not run there.
func (n Namespace) Do(fn func() error) error {
	return thread.Run(func() error {
		handle, err := netns.GetFromPath(n.Path())
		if err != nil {
			return fmt.Errorf("open network namespace %s: %w", n.name, err)
		}
		defer handle.Close() //nolint:errcheck // Only read from.
		if err := netns.Set(handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.name, err)
		}
		return fn()
	})
}

// Sysctl writes values to the namespace's own files under /proc/sys/net; keys
// are paths below that, such as "ipv4/ip_forward".
func (n Namespace) Sysctl(values map[string]string) error {
	return n.Do(func() error {
		for key, value := range values {
			file := "/proc/sys/net/" + key
			if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
				return fmt.Errorf("namespace %s: set %s=%s: %w", n.name, key, value, err)
			}
		}
		return nil
	})
}

// Delete removes every namespace whose name begins with the prefix. None is
// not an error.
func Delete(prefix string) error {
	files, err := filepath.Glob(filepath.Join(directory, prefix+"*"))
	if err != nil {
		return fmt.Errorf("list network namespaces %s*: %w", prefix, err)
	}
	var errs []error
	for _, file := range files {
		errs = append(errs, remove(file))
	}
	return errors.Join(errs...)
}

func remove(file string) error {
	// EINVAL: a process that died between making the file and mounting the
	// namespace on it leaves a plain file.
	if err := unix.Unmount(file, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount network namespace %s: %w", file, err)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", file, err)
	}
	return nil
}

func (n Namespace) withNetlink(fn func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPath(n.Path())
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", n.name, err)
	}
	defer ns.Close() //nolint:errcheck // Only read from.
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("netlink in namespace %s: %w", n.name, err)
	}
	defer handle.Close()
	return fn(handle)
}

func (n Namespace) linkUp(name string) error {
	return n.withNetlink(func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("namespace %s: find link %s: %w", n.name, name, err)
		}
		if err := h.LinkSetUp(link); err != nil {
			return fmt.Errorf("namespace %s: set link %s up: %w", n.name, name, err)
		}
		return nil
	})
}
