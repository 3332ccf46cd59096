// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prober makes the connections that tests and the demo measure. It runs
// in pods and on hosts as the program test/story/cmd/probe.
package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// Result is what came of one connection.
type Result struct {
	// Target is the target as it was given.
	Target string `json:"target"`
	// Reached says that the other end answered.
	Reached bool `json:"reached"`
	// Error says why it is not Reached.
	Error string `json:"error,omitempty"`
}

// udpAttempts is how often a datagram is sent within the timeout: unlike TCP,
// nobody else sends a lost one again.
const udpAttempts = 2

// Connect connects to all targets at the same time, and gives each the timeout.
// A target is tcp://HOST:PORT (reached when the connection is established),
// udp://HOST:PORT (reached when a datagram is answered) or dns://HOST:PORT
// (reached when that server knows the cluster's API server). The results are
// in the order of the targets.
func Connect(ctx context.Context, timeout time.Duration, targets []string) []Result {
	results := make([]Result, len(targets))
	var pending sync.WaitGroup
	for i, target := range targets {
		pending.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			results[i] = result(target, connect(ctx, target, timeout))
		})
	}
	pending.Wait()
	return results
}

func result(target string, err error) Result {
	if err != nil {
		return Result{Target: target, Error: err.Error()}
	}
	return Result{Target: target, Reached: true}
}

func connect(ctx context.Context, target string, timeout time.Duration) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("target %q: %w", target, err)
	}
	switch u.Scheme {
	case "tcp":
		return connectTCP(ctx, u.Host)
	case "udp":
		return askUDP(ctx, u.Host, timeout/udpAttempts)
	case "dns":
		return askDNS(ctx, u.Host)
	default:
		return fmt.Errorf("target %q: give tcp://, udp:// or dns://HOST:PORT", target)
	}
}

func connectTCP(ctx context.Context, address string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// askUDP sends what agnhost's servers answer, whichever they are.
func askUDP(ctx context.Context, address string, patience time.Duration) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // Nothing is lost with a UDP socket.
	for range udpAttempts {
		if err = exchange(conn, patience); !isTimeout(err) {
			return err
		}
	}
	return err
}

func exchange(conn net.Conn, patience time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("hostname")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1500))
	return err
}

func isTimeout(err error) bool {
	var netError net.Error
	return errors.As(err, &netError) && netError.Timeout()
}

func askDNS(ctx context.Context, server string) error {
	resolver := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, server)
		},
	}
	_, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	return err
}
