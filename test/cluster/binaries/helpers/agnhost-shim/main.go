// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command agnhost-shim stands at /agnhost in the test image and runs
// /agnhost.real, except on a kernel without SCTP sockets: there it does itself
// what agnhost needs them for, which is `agnhost porter` with an SCTP port and
// `agnhost connect --protocol=sctp`. It sets up associations with raw packets,
// so that the network between pods sees the SCTP it would see from a kernel.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

const realAgnhost = "/agnhost.real"

func main() {
	if !kernelHasSCTP() {
		if ports := sctpPorts(os.Args[1:], os.Environ()); len(ports) > 0 {
			exit(serve(ports))
		}
		if target, timeout, ok := sctpTarget(os.Args[1:]); ok {
			exit(connect(target, timeout))
		}
	}
	err := syscall.Exec(realAgnhost, append([]string{"/agnhost"}, os.Args[1:]...), os.Environ())
	exit(fmt.Errorf("run %s: %w", realAgnhost, err))
}

// exit ends the program as agnhost does: its users read standard error.
func exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func kernelHasSCTP() bool {
	_, err := os.Stat("/proc/net/sctp")
	return err == nil
}

// sctpPorts lists the ports that agnhost's porter is asked to serve.
func sctpPorts(args, env []string) []string {
	if len(args) == 0 || args[0] != "porter" {
		return nil
	}
	var ports []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if port, ok := strings.CutPrefix(name, "SERVE_SCTP_PORT_"); ok {
			ports = append(ports, port)
		}
	}
	return ports
}

// sctpTarget tells what agnhost is asked to connect to, if it is by SCTP.
func sctpTarget(args []string) (target string, timeout time.Duration, ok bool) {
	if len(args) == 0 || args[0] != "connect" {
		return "", 0, false
	}
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	protocol := flags.String("protocol", "tcp", "")
	flags.DurationVar(&timeout, "timeout", 0, "")
	// Anything else, and any mistake, is for the real agnhost.
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() != 1 || *protocol != "sctp" {
		return "", 0, false
	}
	return flags.Arg(0), timeout, true
}
