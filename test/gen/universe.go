// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package gen generates states of clusters for property tests: objects of a
// small world, so that selectors, addresses, names and ports collide often, and
// with everything that the API server refuses but a newer one might store.
package gen

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"
)

// LocalNode is the node that states are made for: most pods run there.
const LocalNode = "node-a"

// Slots is how many pairs of addresses there are for pods of each node.
const Slots = 5

// LocalAddresses are the addresses that pods of LocalNode have: per slot one of
// each family.
func LocalAddresses() [][]netip.Addr { return slots(1) }

func slots(node int) [][]netip.Addr {
	var pairs [][]netip.Addr
	for i := range Slots {
		pairs = append(pairs, []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", node, 14+i)),
			netip.MustParseAddr(fmt.Sprintf("fd00:0:0:%d::%x", node, 14+i)),
		})
	}
	return pairs
}

// HostAddresses are those that the status of LocalNode always has.
func HostAddresses() []netip.Addr { return parse("192.0.2.1", "2001:db8::1") }

// outside are addresses that nobody in the cluster has.
func outside() []netip.Addr {
	return parse("198.51.100.1", "198.51.100.128", "203.0.113.255", "1.1.1.1", "2001:db8:f::1", "2001:db8:f::8000", "2606::1")
}

func parse(texts ...string) []netip.Addr {
	addresses := make([]netip.Addr, 0, len(texts))
	for _, text := range texts {
		addresses = append(addresses, netip.MustParseAddr(text))
	}
	return addresses
}

func nodeNames() []string      { return []string{LocalNode, "node-b", "node-c"} }
func namespaceNames() []string { return []string{"shop", "pay", "ops"} }
func policyNames() []string    { return []string{"a", "b", "c", "d"} }
func portNames() []string      { return []string{"http", "dns", "metrics"} }

// portNumbers touch, so that ranges made of them do.
func portNumbers() []int32 { return []int32{1, 53, 79, 80, 81, 82, 443, 65534, 65535} }

// allAddresses are all that anybody can have, and some that nobody has.
func allAddresses() []netip.Addr {
	all := append(outside(), HostAddresses()...)
	for node := range nodeNames() {
		for _, pair := range slots(node + 1) {
			all = append(all, pair...)
		}
	}
	return all
}

// chance is true in about percent of all cases, and shrinks to false.
func chance(t *rapid.T, percent int, label string) bool {
	return rapid.IntRange(0, 99).Draw(t, label) >= 100-percent
}

func pick[V any](t *rapid.T, label string, from ...V) V {
	return rapid.SampledFrom(from).Draw(t, label)
}

// listOf draws a list: nil, or of min to most elements.
func listOf[V any](t *rapid.T, label string, least, most int, element func(*rapid.T) V) []V {
	list := rapid.SliceOfN(rapid.Custom(element), least, most).Draw(t, label)
	if len(list) == 0 && !chance(t, 30, "empty instead of nil") {
		return nil
	}
	return list
}
