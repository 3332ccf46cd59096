// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

const (
	// batch is how many packets a round sends through each variant, and
	// moreRounds how many more rounds there are than in other benchmarks.
	batch      = 4_000
	moreRounds = 5
	// walkBatch is how many visits to a rule a round makes, where all of them are
	// visited one after the other.
	walkBatch = 400_000
)

// variant is one way to treat packets, in a network of its own.
type variant struct {
	name     string
	policies int
	ip6      bool
	// batch is how many packets a round sends.
	batch int
	// source is where the packets claim to come from.
	source netip.Addr
	// setUp loads the tables.
	setUp func(*netnstest.Namespace) error

	network *netnstest.Topology
	// samples is the time of a packet in each round, and base that of one with
	// conntrack only right before.
	samples, base []time.Duration
}

func policyCounts(e effort) []int {
	if e.small {
		return []int{10}
	}
	return []int{10, 100, 1_000, 10_000}
}

// forms are the scenarios that are measured at each count of policies.
func forms() []struct {
	name    string
	policy  func(scenario, int) *ruleset.Policy
	nothing bool
} {
	type form = struct {
		name    string
		policy  func(scenario, int) *ruleset.Policy
		nothing bool
	}
	return []form{
		{"NetworkPolicies, source matches the last", networkPolicies, false},
		{"ClusterNetworkPolicies, source matches the last", clusterPolicies, false},
		{"ClusterNetworkPolicies, source matches none", clusterPolicies, true},
		{"every pod matches ten policies' peers", overlapping, false},
		{"a network of its own as each policy's peer", withNetworks, false},
		{"port ranges", withRanges, false},
	}
}

func runPackets(e effort) error {
	for _, ip6 := range []bool{false, true} {
		variants := packetVariants(e, ip6)
		if err := measure(e, variants); err != nil {
			return err
		}
		if err := reportPackets(variants, ip6); err != nil {
			return err
		}
	}
	return nil
}

func packetVariants(e effort, ip6 bool) []*variant {
	variants := []*variant{{name: "conntrack only", ip6: ip6, batch: batch, source: podAddress(0, ip6), setUp: conntrackOnly}}
	for _, form := range forms() {
		for _, count := range policyCounts(e) {
			s := scenario{policies: count, pods: 10 * count, policy: form.policy}
			source := s.last(ip6)
			if form.nothing {
				source = podAddress(1<<22, ip6)
			}
			variants = append(variants, &variant{name: form.name, policies: count, ip6: ip6, batch: batch, source: source, setUp: s.apply})
		}
	}
	for _, count := range policyCounts(e) {
		s := scenario{policies: count, pods: 10 * count}
		variants = append(variants, &variant{
			name: "a rule for each policy, source matches the last", policies: count, ip6: ip6, batch: min(batch, walkBatch/count), source: s.last(ip6), setUp: s.rulePerPolicy(ip6),
		})
	}
	return variants
}

// apply renders the scenario as the agent does.
func (s scenario) apply(node *netnstest.Namespace) error {
	d, err := dataplane.New(dataplane.Config{Netns: node.FD()})
	if err != nil {
		return err
	}
	c := s.compiler()
	delta := c.Update()
	if _, err := d.Apply(context.Background(), c.Ruleset(), delta); err != nil {
		return fmt.Errorf("%d policies: %w", s.policies, err)
	}
	return d.Close()
}

// measure sets all variants up and measures them in turns.
func measure(e effort, variants []*variant) error {
	defer func() {
		for _, v := range variants {
			v.close()
		}
	}()
	for _, v := range variants {
		var err error
		if v.network, err = netnstest.New(netnstest.Config{Pods: [][]netip.Addr{{subject(false), subject(true)}}}); err != nil {
			return err
		}
		if err := v.setUp(v.network.Node()); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	base := variants[0]
	for i := range moreRounds*e.rounds() + 1 { // the first round warms up and does not count
		for j := range variants {
			// Each goes first as often as the others.
			v := variants[(i+j)%len(variants)]
			before, err := base.round()
			if err != nil {
				return err
			}
			took, err := v.round()
			if err != nil {
				return err
			}
			v.base, v.samples = append(v.base, before), append(v.samples, took)
		}
	}
	return nil
}

// close gives the network up, if there is one; nothing depends on whether that
// works.
func (v *variant) close() {
	if v.network != nil {
		_ = v.network.Close()
	}
}

// round sends one batch of packets, each of a new connection, and returns how long
// one took.
func (v *variant) round() (time.Duration, error) {
	packets := make([]netnstest.Packet, v.batch)
	for i := range packets {
		packets[i] = netnstest.Packet{
			From: netnstest.Uplink, Src: v.source, Dst: subject(v.ip6), Protocol: 17, SrcPort: uint16(1024 + i), DstPort: port,
		}
	}
	took, err := v.network.Blast(packets)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", v.name, err)
	}
	return took / time.Duration(v.batch), v.network.ForgetConnections()
}

func reportPackets(variants []*variant, ip6 bool) error {
	family := "IPv4"
	if ip6 {
		family = "IPv6"
	}
	t := table{
		title: fmt.Sprintf("First packet of a connection, %s: conntrack only %s µs", family, micros(median(variants[0].samples))),
		head:  []string{"policies that select the pod", "count", "µs", "to conntrack only", "to the smallest count"},
	}
	var smallest []float64
	for i, v := range variants[1:] {
		if v.name != variants[i].name {
			smallest = ratios(v.samples, v.base)
		}
		own := ratios(v.samples, v.base)
		t.add(v.name, fmt.Sprint(v.policies), micros(median(v.samples)), decimals(median(own)), decimals(median(ratios(own, smallest))))
	}
	return t.write(os.Stdout)
}
