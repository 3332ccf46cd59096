// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// isolatedVariable is set in the environment of a program that Isolate started.
const isolatedVariable = "TIERWALL_ISOLATED"

// Isolate has the program, and whatever it starts, run in a network namespace of
// its own, with its loopback up: it starts the program once more there. Called
// first thing in main, it returns true in the program that is to do the work. In
// the other it returns false and the exit status, when that one has ended. It
// needs CAP_SYS_ADMIN.
func Isolate() (isolated bool, status int, err error) {
	if os.Getenv(isolatedVariable) != "" {
		return true, 0, os.Unsetenv(isolatedVariable)
	}
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	// A terminal interrupts both; the child decides when it has cleaned up.
	signal.Ignore(os.Interrupt)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), isolatedVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return false, max(exit.ExitCode(), 1), nil
	case err != nil:
		return false, 1, fmt.Errorf("start the program in a network namespace of its own (run it as root): %w", err)
	}
	return false, 0, nil
}

// CurrentNamespace returns the namespace that the program runs in, with its
// loopback up. It is for programs that Isolate started.
func CurrentNamespace() (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("get network namespace: %w", err)
	}
	n := &Namespace{handle: handle}
	if n.links, err = netlink.NewHandleAt(handle); err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in network namespace: %w", err), handle.Close())
	}
	if err := n.loopbackUp(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}
