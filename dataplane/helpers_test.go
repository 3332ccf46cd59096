// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// Classes of the rulesets that tests build. The pods' are also their index.
const (
	classPodA ruleset.ClassID = iota + 1
	classPodB
	classWorld
	classOffice
)

// Addresses of the rulesets that tests build.
var (
	podA   = family{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	podB   = family{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	world  = family{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:9::9")}
	office = family{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:51::7")}
)

// netipAddr parses an address that is known to be right.
func netipAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// family is an address in each family, IPv4 first.
type family [2]netip.Addr

func officeNetwork() [2]netip.Prefix {
	return [2]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:51::/48")}
}

// emptyRuleset has two local pods, A and B, that nothing judges; the office
// network is apart from the rest of the world.
func emptyRuleset() *ruleset.Ruleset {
	rs := &ruleset.Ruleset{
		Subjects:  map[netip.Addr]ruleset.Subject{},
		Endpoints: map[netip.Addr]ruleset.ClassID{},
		Stacks:    map[ruleset.StackID]*ruleset.Stack{},
	}
	for i := range podA {
		rs.Endpoints[podA[i]], rs.Endpoints[podB[i]] = classPodA, classPodB
		rs.Subjects[podA[i]], rs.Subjects[podB[i]] = ruleset.Subject{Pod: "shop/a"}, ruleset.Subject{Pod: "shop/b"}
		rs.Networks = append(rs.Networks, around(officeNetwork()[i])...)
	}
	return rs
}

// around returns ranges that cover a family, with one network apart.
func around(p netip.Prefix) []ruleset.NetworkRange {
	first, last := p.Addr(), lastOf(p)
	all := netip.PrefixFrom(first, 0).Masked()
	return []ruleset.NetworkRange{
		{First: all.Addr(), Last: first.Prev(), Class: classWorld},
		{First: first, Last: last, Class: classOffice},
		{First: last.Next(), Last: lastOf(all), Class: classWorld},
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// judge has a stack judge a pod.
func judge(rs *ruleset.Ruleset, pod family, stack *ruleset.Stack) {
	rs.Stacks[stack.ID] = stack
	for _, address := range pod {
		subject := rs.Subjects[address]
		subject.Stacks[stack.Direction][stack.Tier] = stack.ID
		rs.Subjects[address] = subject
	}
}

// stack returns a stack with a default row.
func stack(id ruleset.StackID, d ruleset.Direction, tier ruleset.Tier, row ruleset.Row) *ruleset.Stack {
	return &ruleset.Stack{
		ID: id, Direction: d, Tier: tier,
		Policies: []ruleset.PolicyKey{policyOf(tier)},
		Rows:     map[ruleset.ClassID]ruleset.RowID{},
		Table:    map[ruleset.RowID]ruleset.Row{0: row},
	}
}

// withRow gives peers of a class a row of their own.
func withRow(s *ruleset.Stack, class ruleset.ClassID, row ruleset.Row) *ruleset.Stack {
	id := ruleset.RowID(len(s.Table))
	s.Table[id] = row
	s.Rows[class] = id
	return s
}

func policyOf(tier ruleset.Tier) ruleset.PolicyKey {
	if tier == ruleset.NetworkPolicy {
		return ruleset.PolicyKey{Kind: ruleset.KindNetworkPolicy, Namespace: "shop", Name: "web"}
	}
	return ruleset.PolicyKey{Kind: ruleset.KindTierwall, Name: "guard"}
}

// decision returns a decision of rule 0 of the tier's policy.
func decision(d ruleset.Direction, tier ruleset.Tier, action ruleset.Action) *ruleset.Decision {
	return &ruleset.Decision{Action: action, Tier: tier, Direction: d, Policy: policyOf(tier), RuleName: lower(action) + "-it"}
}

// fixture is a topology with pods A and B, and a dataplane on its node.
type fixture struct {
	*netnstest.Topology
	plane *Dataplane
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	netnstest.Require(t)
	topology, err := netnstest.New(netnstest.Config{Pods: [][]netip.Addr{podA[:], podB[:]}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := topology.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{Topology: topology}
	f.plane = f.open(t)
	return f
}

// open opens a further dataplane on the node, as a restarted agent would.
func (f *fixture) open(t testing.TB) *Dataplane {
	t.Helper()
	plane, err := New(Config{Netns: f.Node().FD()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	return plane
}

func (f *fixture) apply(t testing.TB, rs *ruleset.Ruleset) Result {
	t.Helper()
	result, err := f.plane.Apply(t.Context(), rs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// nft runs the nft command in the node, with text as its input.
func (f *fixture) nft(t testing.TB, input string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		netnstest.Missing(t, "the nft command (Debian package nftables)", err)
	}
	var output []byte
	err := f.Node().Do(func() error {
		var err error
		cmd := exec.Command("nft", args...)
		cmd.Stdin = strings.NewReader(input)
		output, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// list returns the table as nft shows it.
func (f *fixture) list(t testing.TB) string {
	t.Helper()
	return f.nft(t, "", "list", "table", "inet", TableName)
}

func hasAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

// probe is a packet and where it is to arrive.
type probe struct {
	packet netnstest.Packet
	want   netnstest.Port
}

// port returns where an address is.
func (f *fixture) port(a netip.Addr) netnstest.Port {
	switch {
	case a == podA[0] || a == podA[1]:
		return f.Pod(0)
	case a == podB[0] || a == podB[1]:
		return f.Pod(1)
	case a == f.HostAddresses()[0] || a == f.HostAddresses()[1]:
		return netnstest.Host
	default:
		return netnstest.Uplink
	}
}

// probes returns the same packet in both families.
func (f *fixture) probes(src, dst family, protocol uint8, port uint16, arrives bool) []probe {
	all := make([]probe, 0, len(src))
	for i := range src {
		p := probe{packet: netnstest.Packet{From: f.port(src[i]), Src: src[i], Dst: dst[i], Protocol: protocol, DstPort: port}}
		if i == 1 && protocol == unix.IPPROTO_ICMP {
			p.packet.Protocol = unix.IPPROTO_ICMPV6
		}
		if arrives {
			p.want = f.port(dst[i])
		}
		all = append(all, p)
	}
	return all
}

// check sends probes and compares where they arrive.
func (f *fixture) check(t testing.TB, probes ...probe) {
	t.Helper()
	packets := make([]netnstest.Packet, len(probes))
	for i, p := range probes {
		packets[i] = p.packet
	}
	arrived, err := f.Send(packets)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range probes {
		if diff := cmp.Diff(p.want, arrived[i]); diff != "" {
			t.Errorf("packet %+v arrived elsewhere (-want +got):\n%s", p.packet, diff)
		}
	}
}
