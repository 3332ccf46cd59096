// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// patience is enough on a busy machine.
const patience = 10 * time.Second

func TestConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	tests := map[string]struct {
		target string
		// failure is a part of the error; empty if the target is reached.
		failure string
	}{
		"a server":               {"tcp://" + listener.Addr().String(), ""},
		"a UDP server":           {"udp://" + udpEcho(t), ""},
		"a port without server":  {"tcp://" + freePort(t), "refused"},
		"UDP without server":     {"udp://" + freePort(t), "refused"},
		"an unknown protocol":    {"sctp://127.0.0.1:1", "give tcp://"},
		"what is no URL":         {"tcp://%zz", "invalid URL escape"},
		"DNS at a silent server": {"dns://" + silent(t), "timeout"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			timeout := patience
			if test.failure == "timeout" {
				timeout = 100 * time.Millisecond
			}
			r := Connect(context.Background(), timeout, []string{test.target})[0]
			if r.Target != test.target || r.Reached != (test.failure == "") || !strings.Contains(r.Error, test.failure) {
				t.Errorf("result is %+v, want failure %q", r, test.failure)
			}
		})
	}
}

// A connection that is under way at the end is neither lost nor a failure.
func TestRepeatWaitsForTheLast(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			cancel()
		}
	}()
	tally := Repeat(ctx, time.Millisecond, patience, []string{"tcp://" + listener.Addr().String()})[0]
	if tally.Reached == 0 || tally.Failed != 0 {
		t.Errorf("tally is %+v, want connections that were all made", tally)
	}
}

func TestConverseUsesOneConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if requests++; requests == 5 {
			cancel()
		}
	}))
	t.Cleanup(server.Close)
	c := Converse(ctx, time.Millisecond, patience, server.Listener.Addr().String())
	if c.Connections != 1 || c.Answers < 5 || c.Error != "" || c.LastAnswer.IsZero() {
		t.Errorf("conversation is %+v, want 5 answers on one connection", c)
	}
}

func TestConverseEndsWhenTheConnectionBreaks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(server.Close)
	c := Converse(context.Background(), time.Millisecond, patience, server.Listener.Addr().String())
	if c.Error == "" || c.Answers != 0 {
		t.Errorf("conversation is %+v, want an error", c)
	}
}

func udpEcho(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	return conn.LocalAddr().String()
}

// silent is the address of a UDP socket that nobody reads.
func silent(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // The address is all that is wanted.
	return listener.Addr().String()
}
