// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/tierwall/tierwall/internal/netnstest"
)

// treatment is one way to treat connections, in a network of its own.
type treatment struct {
	name string
	// setUp loads the tables.
	setUp func(node *netnstest.Namespace) error

	line    *netnstest.Line
	servers *servers
	// throughput is in bit/s, rate in connections/s, one of each round.
	throughput, rate []float64
}

func treatments(e effort) []*treatment {
	all := []*treatment{
		{name: "no policy, no connection tracking", setUp: func(*netnstest.Namespace) error { return nil }},
		{name: "conntrack only", setUp: conntrackOnly},
		// What the same tables differ by in two networks is noise.
		{name: "conntrack only, in another network", setUp: conntrackOnly},
	}
	counts := []int{10, 10_000}
	if e.small {
		counts = counts[:1]
	}
	for _, count := range counts {
		s := scenario{policies: count, pods: 10 * count, policy: tcpPolicies}
		all = append(all, &treatment{name: fmt.Sprintf("%d policies", count), setUp: s.apply})
	}
	return all
}

func runEstablished(e effort) error {
	all := treatments(e)
	defer func() {
		for _, t := range all {
			t.close()
		}
	}()
	for _, t := range all {
		if err := t.open(); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for i := range e.rounds() + 1 { // the first round warms up and does not count
		for j := range all {
			// Each goes first as often as the others.
			t := all[(i+j)%len(all)]
			if err := t.round(e); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return reportConnections(all)
}

// open makes the network. Its client is a peer of one policy.
func (t *treatment) open() error {
	var err error
	if t.line, err = netnstest.NewLine(podAddress(9, false), subject(false)); err != nil {
		return err
	}
	if t.servers, err = serve(t.line.Server, t.line.ServerAddress); err != nil {
		return err
	}
	return t.setUp(t.line.Node)
}

func (t *treatment) close() {
	if t.servers != nil {
		t.servers.close()
	}
	if t.line != nil {
		_ = t.line.Close()
	}
}

func (t *treatment) round(e effort) error {
	duration := time.Second
	if e.small {
		duration = 100 * time.Millisecond
	}
	to := func(port uint16) string { return netip.AddrPortFrom(t.line.ServerAddress, port).String() }
	bits, err := stream(t.line.Client, to(streamPort), duration)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	rate, err := request(t.line.Client, to(responsePort), duration)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	t.throughput, t.rate = append(t.throughput, bits), append(t.rate, rate)
	return nil
}

func reportConnections(all []*treatment) error {
	t := table{
		title: "TCP through the node",
		head:  []string{"tables", "established, Gbit/s", "to no policy", "to conntrack only", "connect, request, response: connections/s", "to no policy", "to conntrack only"},
	}
	to := func(samples, other []float64) string { return decimals(median(ratios(samples, other))) }
	for _, v := range all {
		t.add(v.name,
			fmt.Sprintf("%.2f", median(v.throughput)/1e9), to(v.throughput, all[0].throughput), to(v.throughput, all[1].throughput),
			fmt.Sprintf("%.0f", median(v.rate)), to(v.rate, all[0].rate), to(v.rate, all[1].rate))
	}
	return t.write(os.Stdout)
}
