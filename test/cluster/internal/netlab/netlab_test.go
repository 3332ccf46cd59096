// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netlab_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/cluster/internal/netlab"
)

// Two namespaces on a bridge and one behind a route reach each other, and the
// machine's own namespace has no new interface.
func TestNamespacesReachEachOther(t *testing.T) {
	prefix := newPrefix(t)
	before := interfaces(t)
	sw, left, right, far := create(t, prefix+"sw"), create(t, prefix+"left"), create(t, prefix+"right"), create(t, prefix+"far")
	succeed(t, sw.Sysctl(map[string]string{"ipv4/ip_forward": "1"}))
	succeed(t, sw.Bridge("br", addresses("192.0.2.1/24")))
	for _, c := range []netlab.Cable{
		{From: sw, FromName: "left", Bridge: "br", To: left, ToAddresses: addresses("192.0.2.2/24", "2001:db8::2/64")},
		{From: sw, FromName: "right", Bridge: "br", To: right, ToAddresses: addresses("192.0.2.3/24", "2001:db8::3/64")},
		{From: sw, FromName: "far", To: far, ToAddresses: addresses("203.0.113.9/32")},
	} {
		succeed(t, netlab.Connect(c))
	}
	gateway, everywhere := netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix("0.0.0.0/0")
	succeed(t, sw.AddRoutes(netlab.Route{Destination: netip.MustParsePrefix("203.0.113.9/32"), Link: "far"}))
	for _, ns := range []netlab.Namespace{left, far} {
		succeed(t, ns.AddRoutes(netlab.Route{Destination: everywhere, Gateway: gateway, Link: "eth0"}))
	}
	for name, target := range map[string]struct {
		ns      netlab.Namespace
		address string
	}{
		"IPv4 over the bridge":  {right, "192.0.2.3:7"},
		"IPv6 over the bridge":  {right, "[2001:db8::3]:7"},
		"IPv4 over the gateway": {far, "203.0.113.9:7"},
	} {
		t.Run(name, func(t *testing.T) { reach(t, left, target.ns, target.address) })
	}
	if diff := cmp.Diff(before, interfaces(t)); diff != "" {
		t.Errorf("interfaces of the machine changed (-before +after):\n%s", diff)
	}
}

func TestDeleteTakesThePrefixOnly(t *testing.T) {
	prefix := newPrefix(t)
	one, other := create(t, prefix+"a-1"), create(t, prefix+"b-1")
	// What a program leaves that is killed while it makes a namespace.
	succeed(t, os.WriteFile(netlab.Open(prefix+"a-2").Path(), nil, 0o444))
	succeed(t, netlab.Delete(prefix+"a-"))
	for _, gone := range []string{one.Path(), netlab.Open(prefix + "a-2").Path()} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", gone, err)
		}
	}
	succeed(t, other.Do(func() error { return nil }))
	succeed(t, netlab.Delete(prefix+"a-"))
}

// The first `ip netns add` on a machine mounts the directory on itself.
func TestDeleteAfterSomebodyElseMadeANamespace(t *testing.T) {
	prefix := newPrefix(t)
	create(t, prefix+"own")
	out, err := exec.Command("ip", "netns", "add", prefix+"foreign").CombinedOutput()
	if err != nil {
		t.Fatalf("ip netns add: %v: %s", err, out)
	}
	succeed(t, netlab.Delete(prefix))
}

func newPrefix(t *testing.T) string {
	t.Helper()
	netnstest.Require(t)
	prefix := fmt.Sprintf("twlab-%d-%s-", os.Getpid(), t.Name())
	t.Cleanup(func() { succeed(t, netlab.Delete(prefix)) })
	return prefix
}

func create(t *testing.T, name string) netlab.Namespace {
	t.Helper()
	ns, err := netlab.Create(name)
	succeed(t, err)
	return ns
}

func addresses(prefixes ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}

// reach sends a word from one namespace to a listener in another.
func reach(t *testing.T, from, to netlab.Namespace, address string) {
	t.Helper()
	var listener net.Listener
	succeed(t, to.Do(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	}))
	defer listener.Close() //nolint:errcheck // The test is over.
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // The dial below fails and says why.
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.Close()
	}()
	var conn net.Conn
	succeed(t, from.Do(func() (err error) {
		// A dialer with both families would dial from other goroutines.
		conn, err = net.DialTimeout("tcp", address, 5*time.Second)
		return err
	}))
	defer conn.Close() //nolint:errcheck // Only read from.
	got, err := io.ReadAll(conn)
	succeed(t, err)
	if string(got) != "hello" {
		t.Errorf("received %q, want hello", got)
	}
}

func interfaces(t *testing.T) []string {
	t.Helper()
	list, err := net.Interfaces()
	succeed(t, err)
	names := make([]string, 0, len(list))
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
