// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"strings"
)

// family is the address plan of one IP version. Clusters cannot see each
// other, so that all of them use the same plan.
type family struct {
	// nodes is the network of the switch: the switch is its first address, the
	// control plane the second, node N the (10+N)th.
	nodes netip.Prefix
	// pods is divided among the nodes in networks of podBits.
	pods    netip.Prefix
	podBits int
	// services has the API server at its first address and DNS at its tenth.
	services netip.Prefix
	// all is the whole address space.
	all netip.Prefix
}

// switchGatewayV6 is the address under which hosts outside find the switch:
// unlike for IPv4, neighbour discovery answers for an address only on the link
// that has it.
func switchGatewayV6() netip.Prefix { return netip.MustParsePrefix("fe80::1/64") }

// plan returns the families of a cluster, the first one first.
func (f IPFamily) plan() []family {
	v4 := family{
		nodes:    netip.MustParsePrefix("172.31.0.0/24"),
		pods:     netip.MustParsePrefix("10.244.0.0/16"),
		podBits:  24,
		services: netip.MustParsePrefix("10.96.0.0/16"),
		all:      netip.MustParsePrefix("0.0.0.0/0"),
	}
	v6 := family{
		nodes:    netip.MustParsePrefix("fd00:172:31::/64"),
		pods:     netip.MustParsePrefix("fd00:10:244::/56"),
		podBits:  64,
		services: netip.MustParsePrefix("fd00:10:96::/112"),
		all:      netip.MustParsePrefix("::/0"),
	}
	switch f {
	case IPv4:
		return []family{v4}
	case IPv6:
		return []family{v6}
	default:
		return []family{v4, v6}
	}
}

func (f family) switchAddr() netip.Addr       { return nth(f.nodes, 1) }
func (f family) controlPlaneAddr() netip.Addr { return nth(f.nodes, 2) }

// nodeAddr is the address of a node; nodes count from 1.
func (f family) nodeAddr(node int) netip.Addr { return nth(f.nodes, 10+node) }

// podCIDR is the network of a node's pods; nodes count from 1.
func (f family) podCIDR(node int) netip.Prefix {
	address := f.pods.Addr().AsSlice()
	// Both families number the nodes in one byte: the last of the prefix.
	address[f.podBits/8-1] = byte(node)
	addr, _ := netip.AddrFromSlice(address)
	return netip.PrefixFrom(addr, f.podBits)
}

func (f family) apiService() netip.Addr { return nth(f.services, 1) }
func (f family) dnsService() netip.Addr { return nth(f.services, 10) }

// on puts an address of the family into the network of the switch.
func (f family) on(address netip.Addr) netip.Prefix {
	return netip.PrefixFrom(address, f.nodes.Bits())
}

// nth is the n-th address of a network; n is less than 256.
func nth(network netip.Prefix, n int) netip.Addr {
	address := network.Addr().AsSlice()
	address[len(address)-1] += byte(n)
	addr, _ := netip.AddrFromSlice(address)
	return addr
}

// joined lists a value of each family, separated by commas, as the flags of
// Kubernetes programs want it.
func joined[T interface{ String() string }](families []family, value func(family) T) string {
	texts := make([]string, 0, len(families))
	for _, f := range families {
		texts = append(texts, value(f).String())
	}
	return strings.Join(texts, ",")
}

// outsideGateway is the address of the switch as hosts outside see it.
func (f family) outsideGateway() netip.Addr {
	if f.all.Addr().Is6() {
		return switchGatewayV6().Addr()
	}
	return f.switchAddr()
}
