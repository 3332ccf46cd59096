// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
)

func newNamespace(t *testing.T) *netnstest.Namespace {
	t.Helper()
	netnstest.Require(t)
	n, err := netnstest.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestPreflightChangesNothing(t *testing.T) {
	f := newFixture(t)
	if got := f.nft(t, "", "list", "ruleset"); got != "" {
		t.Errorf("New left in the kernel:\n%s", got)
	}
}

func TestPreflightPermission(t *testing.T) {
	n := newNamespace(t)
	err := n.Do(func() error {
		var none [2]unix.CapUserData
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&header, &none[0]); err != nil {
			return err
		}
		_, err := New(Config{})
		return err
	})
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "NET_ADMIN") {
		t.Errorf("New without capabilities: %v", err)
	}
}

func TestPreflightBridge(t *testing.T) {
	n := newNamespace(t)
	set := func(setting, value string) {
		t.Helper()
		if err := n.SetSysctl(map[string]string{"bridge/" + setting: value}); err != nil {
			netnstest.Missing(t, "kernel module br_netfilter", err)
		}
	}
	set("bridge-nf-call-iptables", "0")
	set("bridge-nf-call-ip6tables", "0")
	try := func(remedy string) {
		t.Helper()
		plane, err := New(Config{Netns: n.FD()})
		switch {
		case remedy == "" && err == nil:
			err = plane.Close()
			fallthrough
		case remedy == "":
			if err != nil {
				t.Error(err)
			}
		case err == nil || !strings.Contains(err.Error(), remedy):
			t.Errorf("New: %v, want the remedy %q", err, remedy)
		}
	}
	try("")
	if err := n.Do(addBridge); err != nil {
		t.Fatal(err)
	}
	try("sysctl -w net.bridge.bridge-nf-call-iptables=1")
	set("bridge-nf-call-iptables", "1")
	try("sysctl -w net.bridge.bridge-nf-call-ip6tables=1")
	set("bridge-nf-call-ip6tables", "1")
	try("")
}

// addBridge makes a bridge with a veth on it.
func addBridge() error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	bridge.Name = "cni0"
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MasterIndex = "veth0", bridge.Index
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "veth1"})
}
