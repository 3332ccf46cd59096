// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane/dns/redirect"
	"github.com/tierwall/tierwall/ruleset"
)

// withDomains is the guarded ruleset with rules with domain names for pod A.
func withDomains() *ruleset.Ruleset {
	rs := guarded()
	for _, a := range podA {
		subject := rs.Subjects[a]
		subject.Domains = true
		rs.Subjects[a] = subject
	}
	return rs
}

// newDNSFixture has a dataplane that knows of a DNS proxy.
func newDNSFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	plane, err := New(Config{Netns: f.Node().FD(), DNSProxy: []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:5300"), netip.MustParseAddrPort("[::1]:5301"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	f.plane = plane
	return f
}

// policyRules returns the policy rules of the node that are Tierwall's.
func (f *fixture) policyRules(t *testing.T) int {
	t.Helper()
	var rules []netlink.Rule
	err := f.Node().Do(func() error {
		all, err := netlink.RuleListFiltered(unix.AF_UNSPEC, &netlink.Rule{Priority: redirect.RulePriority}, netlink.RT_FILTER_PRIORITY)
		rules = all
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(rules)
}

// The listing of the redirect lists the same after it was loaded back.
func TestDNSListing(t *testing.T) {
	f := newDNSFixture(t)
	f.apply(t, withDomains())
	got := f.list(t)
	path := "testdata/domains.nft"
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	f.nft(t, "delete table inet tierwall; "+got, "-f", "-")
	if diff := cmp.Diff(got, f.list(t)); diff != "" {
		t.Errorf("listing after it was loaded (-want +got):\n%s", diff)
	}
	f.checkGuarded(t)
}

// Queries are brought to the proxy, and the policy routes are there, exactly
// while some pod needs that.
func TestDNSOnlyWhileNeeded(t *testing.T) {
	f := newDNSFixture(t)
	expect := func(redirected bool) {
		t.Helper()
		if got := strings.Contains(f.list(t), "tproxy"); got != redirected {
			t.Errorf("queries are redirected: %t, want %t", got, redirected)
		}
		if got, want := f.policyRules(t), map[bool]int{true: 2}[redirected]; got != want {
			t.Errorf("%d policy rules, want %d", got, want)
		}
	}
	f.apply(t, guarded())
	expect(false)
	f.apply(t, withDomains())
	expect(true)
	if r := f.apply(t, withDomains()); r.Messages != 0 {
		t.Errorf("%d messages for what is there", r.Messages)
	}
	f.apply(t, guarded())
	expect(false)
	f.apply(t, withDomains())
	// One without a proxy removes what the one before it left.
	if _, err := f.open(t).Apply(t.Context(), withDomains(), nil); err != nil {
		t.Fatal(err)
	}
	expect(false)
}

// Policy routes that cannot be had cost the domain names, and nothing else.
func TestDNSRoutesOfOthers(t *testing.T) {
	f := newDNSFixture(t)
	err := f.Node().Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Table: redirect.RouteTable, LinkIndex: lo.Attrs().Index, Dst: prefixNet("192.0.2.0/24")})
	})
	if err != nil {
		t.Fatal(err)
	}
	f.apply(t, withDomains())
	if strings.Contains(f.list(t), "tproxy") {
		t.Error("queries are redirected though the route table is somebody else's")
	}
	f.checkGuarded(t)
}

func prefixNet(s string) *net.IPNet {
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
