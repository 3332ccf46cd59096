// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Namespace is a network namespace with its loopback up.
type Namespace struct {
	handle netns.NsHandle
	links  *netlink.Handle
}

// NewNamespace makes a namespace; it needs CAP_SYS_ADMIN.
func NewNamespace() (*Namespace, error) {
	n := &Namespace{}
	err := onThread(func() error {
		var err error
		n.handle, err = netns.New()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	n.links, err = netlink.NewHandleAt(n.handle)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in network namespace: %w", err), n.handle.Close())
	}
	if err := n.loopbackUp(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Namespace) loopbackUp() error {
	lo, err := n.links.LinkByName("lo")
	if err == nil {
		err = n.links.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	return nil
}

// FD returns the file descriptor of the namespace, valid until Close.
func (n *Namespace) FD() int { return int(n.handle) }

// Do runs f on a thread of the namespace. Sockets that f opens stay in it.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// SetSysctl writes settings below net, such as "ipv4/ip_forward".
func (n *Namespace) SetSysctl(settings map[string]string) error {
	return n.Do(func() error {
		for name, value := range settings {
			path := "/proc/sys/net/" + strings.TrimPrefix(name, "net/")
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
				return fmt.Errorf("set sysctl: %w", err)
			}
		}
		return nil
	})
}

// Close gives the namespace up; it goes when no socket is left in it.
func (n *Namespace) Close() error {
	n.links.Close()
	return n.handle.Close()
}

// onThread runs f on a thread that ends afterwards, whatever f did to it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends the thread with the goroutine.
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
