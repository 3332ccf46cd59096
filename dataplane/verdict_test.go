// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

const protocolICMP = unix.IPPROTO_ICMP

// protocols are those that policies speak of, and one that they do not.
func protocols() []uint8 {
	all := []uint8{protocolICMP}
	for _, p := range ruleset.PortProtocols() {
		all = append(all, uint8(p))
	}
	return all
}

// actions are all actions, and 0 for a stack that has no match.
func actions() []ruleset.Action {
	return []ruleset.Action{0, ruleset.Accept, ruleset.Deny, ruleset.Pass}
}

func directions() []ruleset.Direction { return []ruleset.Direction{ruleset.Ingress, ruleset.Egress} }

func rest(d ruleset.Direction, tier ruleset.Tier, action ruleset.Action) ruleset.Row {
	if action == 0 {
		return ruleset.Row{}
	}
	return ruleset.Row{Rest: decision(d, tier, action)}
}

// TestTiers has every action in every tier and direction, before a next tier
// that denies all or is not there.
func TestTiers(t *testing.T) {
	f := newFixture(t)
	for _, d := range directions() {
		for tier := range ruleset.TierCount {
			for _, action := range actions() {
				for _, nextDenies := range []bool{true, false} {
					name := fmt.Sprintf("%s/%s/%s/next denies %t", d, tier, action, nextDenies)
					t.Run(name, func(t *testing.T) { f.testTier(t, d, tier, action, nextDenies) })
				}
			}
		}
	}
}

func (f *fixture) testTier(t *testing.T, d ruleset.Direction, tier ruleset.Tier, action ruleset.Action, nextDenies bool) {
	rs := emptyRuleset()
	judge(rs, podA, stack(ruleset.StackID("first-"+lower(d)), d, tier, rest(d, tier, action)))
	next := tier + 1
	hasNext := nextDenies && next < ruleset.TierCount
	if hasNext {
		judge(rs, podA, stack(ruleset.StackID("next-"+lower(d)), d, next, rest(d, next, ruleset.Deny)))
	}
	f.apply(t, rs)
	arrives := action == ruleset.Accept || action != ruleset.Deny && !hasNext
	for _, protocol := range protocols() {
		for _, peer := range []family{podB, world} {
			src, dst := podA, peer
			if d == ruleset.Ingress {
				src, dst = peer, podA
			}
			f.check(t, f.probes(src, dst, protocol, 80, arrives)...)
			f.check(t, f.probes(dst, src, protocol, 80, true)...)
		}
	}
}

// TestRows has a decision in every place that a stack can have it.
func TestRows(t *testing.T) {
	f := newFixture(t)
	for _, d := range directions() {
		deny, accept := decision(d, ruleset.Admin, ruleset.Deny), decision(d, ruleset.Admin, ruleset.Accept)
		port := func(p ruleset.Protocol, first, last uint16, decision *ruleset.Decision) []ruleset.PortDecision {
			return []ruleset.PortDecision{{Protocol: p, First: first, Last: last, Decision: decision}}
		}
		type want struct {
			protocol uint8
			port     uint16
			arrives  bool
		}
		tcp, udp, sctp := uint8(ruleset.TCP), uint8(ruleset.UDP), uint8(ruleset.SCTP)
		tests := map[string]struct {
			row  ruleset.Row
			want []want
		}{
			"rest": {ruleset.Row{Rest: deny}, []want{{tcp, 1, false}, {udp, 1, false}, {sctp, 1, false}, {protocolICMP, 0, false}}},
			"one port": {
				ruleset.Row{Ports: port(ruleset.TCP, 80, 80, deny)},
				[]want{{tcp, 79, true}, {tcp, 80, false}, {tcp, 81, true}, {udp, 80, true}, {sctp, 80, true}, {protocolICMP, 80, true}},
			},
			"range": {
				ruleset.Row{Ports: port(ruleset.UDP, 1000, 2000, deny)},
				[]want{{udp, 999, true}, {udp, 1000, false}, {udp, 1500, false}, {udp, 2000, false}, {udp, 2001, true}, {tcp, 1500, true}},
			},
			"all ports of a protocol": {
				ruleset.Row{Ports: port(ruleset.SCTP, 0, 65535, deny)},
				[]want{{sctp, 0, false}, {sctp, 9, false}, {sctp, 65535, false}, {tcp, 9, true}, {udp, 9, true}, {protocolICMP, 9, true}},
			},
			"port excepted from a deny": {
				ruleset.Row{Ports: port(ruleset.TCP, 443, 443, accept), Rest: deny},
				[]want{{tcp, 443, true}, {tcp, 442, false}, {udp, 443, false}, {protocolICMP, 0, false}},
			},
			"range without match before a deny": {
				ruleset.Row{Ports: port(ruleset.TCP, 10, 20, nil), Rest: deny},
				[]want{{tcp, 9, false}, {tcp, 10, true}, {tcp, 20, true}, {tcp, 21, false}},
			},
			"ports and ranges": {
				ruleset.Row{
					Ports: append(port(ruleset.TCP, 80, 80, accept), ruleset.PortDecision{Protocol: ruleset.TCP, First: 8000, Last: 9000, Decision: accept}),
					Rest:  deny,
				},
				[]want{{tcp, 80, true}, {tcp, 8000, true}, {tcp, 9000, true}, {tcp, 9001, false}, {tcp, 81, false}},
			},
		}
		for name, test := range tests {
			for _, place := range []string{"default row", "row of a network", "row of a pod"} {
				t.Run(fmt.Sprintf("%s/%s/%s", d, name, place), func(t *testing.T) {
					rs := emptyRuleset()
					matching, other := office, world
					switch place {
					case "default row":
						judge(rs, podA, withRow(stack(ruleset.StackID("s-"+lower(d)), d, ruleset.Admin, test.row), classWorld, ruleset.Row{}))
					case "row of a network":
						judge(rs, podA, withRow(stack(ruleset.StackID("s-"+lower(d)), d, ruleset.Admin, ruleset.Row{}), classOffice, test.row))
					case "row of a pod":
						matching = podB
						judge(rs, podA, withRow(stack(ruleset.StackID("s-"+lower(d)), d, ruleset.Admin, ruleset.Row{}), classPodB, test.row))
					}
					f.apply(t, rs)
					for _, w := range test.want {
						f.check(t, f.between(d, podA, matching, w.protocol, w.port, w.arrives)...)
						f.check(t, f.between(d, podA, other, w.protocol, w.port, true)...)
					}
				})
			}
		}
	}
}

// between returns probes of the direction's traffic between a subject and peer.
func (f *fixture) between(d ruleset.Direction, subject, peer family, protocol uint8, port uint16, arrives bool) []probe {
	if d == ruleset.Ingress {
		return f.probes(peer, subject, protocol, port, arrives)
	}
	return f.probes(subject, peer, protocol, port, arrives)
}

// denyAll has the Admin tier deny everything of a pod in a direction.
func denyAll(rs *ruleset.Ruleset, pod family, d ruleset.Direction) {
	id := ruleset.StackID("deny" + lower(d))
	judge(rs, pod, stack(id, d, ruleset.Admin, rest(d, ruleset.Admin, ruleset.Deny)))
}

// TestBothDirections has local pods judged on both sides.
func TestBothDirections(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		egress, ingress ruleset.Action
		arrives         bool
	}{
		{ruleset.Accept, ruleset.Accept, true},
		{ruleset.Accept, ruleset.Deny, false},
		{ruleset.Deny, ruleset.Accept, false},
		{ruleset.Pass, ruleset.Deny, false},
		{ruleset.Pass, ruleset.Accept, true},
		{0, ruleset.Deny, false},
		{0, ruleset.Pass, true},
	} {
		t.Run(fmt.Sprintf("%s then %s", test.egress, test.ingress), func(t *testing.T) {
			rs := emptyRuleset()
			judge(rs, podA, stack("e", ruleset.Egress, ruleset.Admin, rest(ruleset.Egress, ruleset.Admin, test.egress)))
			judge(rs, podB, stack("i", ruleset.Ingress, ruleset.Admin, rest(ruleset.Ingress, ruleset.Admin, test.ingress)))
			f.apply(t, rs)
			for _, protocol := range protocols() {
				f.check(t, f.probes(podA, podB, protocol, 80, test.arrives)...)
			}
		})
	}
}

// TestNotEvaluated has pods that may neither send nor receive anything.
func TestNotEvaluated(t *testing.T) {
	f := newFixture(t)
	rs := emptyRuleset()
	for _, d := range directions() {
		denyAll(rs, podA, d)
	}
	f.apply(t, rs)
	host := family(f.HostAddresses())

	t.Run("the pod's own node", func(t *testing.T) {
		for _, protocol := range protocols() {
			f.check(t, f.probes(host, podA, protocol, 80, true)...)
		}
	})
	t.Run("the pod itself through a Service", func(t *testing.T) {
		service := family{netipAddr("10.96.0.1"), netipAddr("fd96::1")}
		f.redirect(t, service, podA)
		for _, p := range f.probes(podA, service, unix.IPPROTO_TCP, 80, true) {
			p.want = f.Pod(0)
			f.check(t, p)
		}
	})
	t.Run("neighbour discovery and MLD", func(t *testing.T) {
		for _, icmpType := range []uint8{130, 131, 132, 133, 134, 135, 136, 137, 143} {
			f.check(t, probe{packet: netnstest.Packet{
				From: f.Pod(0), Src: podA[1], Dst: world[1], Protocol: unix.IPPROTO_ICMPV6, ICMPType: icmpType,
			}, want: netnstest.Uplink})
		}
	})
	t.Run("pods nobody judges", func(t *testing.T) {
		for _, protocol := range protocols() {
			f.check(t, f.probes(podB, world, protocol, 80, true)...)
			f.check(t, f.probes(world, podB, protocol, 80, true)...)
		}
	})
}

// TestIngressOnlySelf has a pod that only ingress is judged of: what it sends
// itself must be recognised all the same.
func TestIngressOnlySelf(t *testing.T) {
	f := newFixture(t)
	rs := emptyRuleset()
	denyAll(rs, podA, ruleset.Ingress)
	f.apply(t, rs)
	f.check(t, f.probes(podA, podA, unix.IPPROTO_TCP, 80, true)...)
	f.check(t, f.probes(podB, podA, unix.IPPROTO_TCP, 80, false)...)
}

// TestHost has a pod that may reach only one port of the node.
func TestHost(t *testing.T) {
	f := newFixture(t)
	rs := emptyRuleset()
	deny, accept := decision(ruleset.Egress, ruleset.Admin, ruleset.Deny), decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)
	judge(rs, podA, stack("s", ruleset.Egress, ruleset.Admin, ruleset.Row{
		Ports: []ruleset.PortDecision{{Protocol: ruleset.UDP, First: 53, Last: 53, Decision: accept}}, Rest: deny,
	}))
	f.apply(t, rs)
	host := family(f.HostAddresses())
	f.check(t, f.probes(podA, host, unix.IPPROTO_UDP, 53, true)...)
	f.check(t, f.probes(podA, host, unix.IPPROTO_UDP, 54, false)...)
	f.check(t, f.probes(podA, host, unix.IPPROTO_TCP, 10250, false)...)
	f.check(t, f.probes(podA, host, protocolICMP, 0, false)...)
	f.check(t, f.probes(podB, host, unix.IPPROTO_TCP, 10250, true)...)
}

// TestOutputWithPodSource has the node send on behalf of a pod, as the DNS proxy
// does: the pod's egress holds, and the receiver's ingress.
func TestOutputWithPodSource(t *testing.T) {
	f := newFixture(t)
	rs := emptyRuleset()
	deny := decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)
	judge(rs, podA, withRow(stack("s", ruleset.Egress, ruleset.Admin, ruleset.Row{}), classOffice, ruleset.Row{Rest: deny}))
	denyAll(rs, podB, ruleset.Ingress)
	f.apply(t, rs)
	fromHost := func(probes []probe) []probe {
		for i := range probes {
			probes[i].packet.From = netnstest.Host
		}
		return probes
	}
	f.check(t, fromHost(f.probes(podA, world, unix.IPPROTO_UDP, 53, true))...)
	f.check(t, fromHost(f.probes(podA, office, unix.IPPROTO_UDP, 53, false))...)
	f.check(t, fromHost(f.probes(podA, podB, unix.IPPROTO_UDP, 53, false))...)
}

// TestAfterDNAT has rules about a Service's endpoint, not about the Service.
func TestAfterDNAT(t *testing.T) {
	f := newFixture(t)
	service := family{netipAddr("10.96.0.1"), netipAddr("fd96::1")}
	f.redirect(t, service, podB)
	reach := func(arrives bool) {
		t.Helper()
		for _, p := range f.probes(podA, service, unix.IPPROTO_TCP, 80, arrives) {
			if arrives {
				p.want = f.Pod(1)
			}
			f.check(t, p)
		}
	}
	port := func(d ruleset.Direction, port uint16) *ruleset.Ruleset {
		rs := emptyRuleset()
		deny := decision(d, ruleset.Admin, ruleset.Deny)
		subject := podA
		if d == ruleset.Ingress {
			subject = podB
		}
		judge(rs, subject, stack(ruleset.StackID("s-"+lower(d)), d, ruleset.Admin, ruleset.Row{
			Ports: []ruleset.PortDecision{{Protocol: ruleset.TCP, First: port, Last: port, Decision: deny}},
		}))
		return rs
	}
	for _, d := range directions() {
		f.apply(t, port(d, 80))
		reach(true)
		f.apply(t, port(d, 8080))
		reach(false)
	}
}

// redirect has a table that is not ours send port 80 of a Service to port 8080
// of a pod.
func (f *fixture) redirect(t *testing.T, service, pod family) {
	t.Helper()
	f.nft(t, fmt.Sprintf(`
		add table inet service
		flush table inet service
		add chain inet service prerouting { type nat hook prerouting priority dstnat; }
		add rule inet service prerouting ip daddr %s tcp dport 80 dnat ip to %s:8080
		add rule inet service prerouting ip6 daddr %s tcp dport 80 dnat ip6 to [%s]:8080
	`, service[0], pod[0], service[1], pod[1]), "-f", "-")
}

// TestEstablished has a connection that a new deny must not cut.
func TestEstablished(t *testing.T) {
	f := newFixture(t)
	f.apply(t, emptyRuleset())
	there, back := f.probes(podA, podB, unix.IPPROTO_UDP, 5000, true), f.probes(podB, podA, unix.IPPROTO_UDP, 5001, true)
	for i := range there {
		there[i].packet.SrcPort, back[i].packet.SrcPort = 5001, 5000
	}
	f.check(t, there...)
	f.check(t, back...)

	rs := emptyRuleset()
	for _, d := range directions() {
		denyAll(rs, podA, d)
	}
	f.apply(t, rs)
	f.check(t, there...)
	f.check(t, back...)
	f.check(t, f.probes(podA, podB, unix.IPPROTO_UDP, 5000, false)...)
}

// TestPriorityIsCarrier has neighbours in the hook that set the priority before
// (to what would be the office's class) and look at it after: the first must not
// matter, and the second must not find a number of ours.
func TestPriorityIsCarrier(t *testing.T) {
	f := newFixture(t)
	f.nft(t, `
		add table inet other
		add chain inet other before { type filter hook forward priority filter - 1; }
		add rule inet other before meta priority set 400:4
		add chain inet other after { type filter hook forward priority filter + 1; }
		add rule inet other after meta priority != { none, 400:4 } drop
	`, "-f", "-")
	for _, d := range directions() {
		for _, action := range actions() {
			rs := emptyRuleset()
			s := stack(ruleset.StackID("s-"+lower(d)), d, ruleset.Baseline, ruleset.Row{})
			judge(rs, podA, withRow(s, classOffice, ruleset.Row{
				Ports: []ruleset.PortDecision{{Protocol: ruleset.TCP, First: 1, Last: 1, Decision: decision(d, ruleset.Baseline, ruleset.Deny)}},
				Rest:  rest(d, ruleset.Baseline, action).Rest,
			}))
			f.apply(t, rs)
			f.check(t, f.between(d, podA, office, unix.IPPROTO_TCP, 2, action != ruleset.Deny)...)
			f.check(t, f.between(d, podA, office, unix.IPPROTO_TCP, 1, false)...)
			f.check(t, f.between(d, podA, world, unix.IPPROTO_TCP, 1, true)...)
		}
	}
}
