// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command agnhost-shim stands at /agnhost in the test image and runs
// /agnhost.real, except in one case: on a kernel without SCTP the real porter
// exits when it is asked to serve an SCTP port, and a pod with such a
// container never becomes ready. Then the shim waits for a signal instead.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const realAgnhost = "/agnhost.real"

func main() {
	if needsSCTP(os.Args[1:], os.Environ()) && !kernelHasSCTP() {
		fmt.Println("agnhost porter: this kernel has no SCTP sockets: waiting without serving")
		wait()
		return
	}
	err := syscall.Exec(realAgnhost, append([]string{"/agnhost"}, os.Args[1:]...), os.Environ())
	fmt.Fprintf(os.Stderr, "run %s: %v\n", realAgnhost, err)
	os.Exit(1)
}

// needsSCTP tells whether the arguments and environment ask for agnhost's
// porter to serve an SCTP port.
func needsSCTP(args, env []string) bool {
	if len(args) == 0 || args[0] != "porter" {
		return false
	}
	for _, e := range env {
		if strings.HasPrefix(e, "SERVE_SCTP_PORT_") {
			return true
		}
	}
	return false
}

func kernelHasSCTP() bool {
	_, err := os.Stat("/proc/net/sctp")
	return err == nil
}

func wait() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
}
