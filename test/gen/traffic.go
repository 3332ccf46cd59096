// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"maps"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/oracle"
)

// Traffic is what a state may tell apart: addresses, and ports with their
// neighbours.
type Traffic struct {
	Addresses []netip.Addr
	Ports     []uint16
}

// Interesting returns the addresses and ports that any of the states may tell
// apart, sorted: everybody's addresses, both ends of every block and what lies
// beyond, every port that is named and its neighbours.
func Interesting(states ...*oracle.Cluster) Traffic {
	i := interesting{addresses: map[netip.Addr]struct{}{}, ports: map[uint16]struct{}{}}
	for _, address := range allAddresses() {
		i.addresses[address] = struct{}{}
	}
	i.port(80)
	for _, c := range states {
		i.cluster(c)
	}
	return Traffic{
		Addresses: slices.SortedFunc(maps.Keys(i.addresses), netip.Addr.Compare),
		Ports:     slices.Sorted(maps.Keys(i.ports)),
	}
}

// Services are the protocols and ports to try.
func (t Traffic) Services() []oracle.Packet {
	services := []oracle.Packet{{Protocol: oracle.ICMP}, {Protocol: oracle.ICMPv6}}
	for _, protocol := range []oracle.Protocol{oracle.TCP, oracle.UDP, oracle.SCTP} {
		for _, port := range t.Ports {
			services = append(services, oracle.Packet{Protocol: protocol, Port: port})
		}
	}
	return services
}

// Packets returns the packets of every service from source to destination; none
// if they are of different families.
func (t Traffic) Packets(source, destination netip.Addr) []oracle.Packet {
	if source.Is4() != destination.Is4() {
		return nil
	}
	packets := t.Services()
	packets = slices.DeleteFunc(packets, func(p oracle.Packet) bool {
		return p.Protocol == oracle.ICMP && source.Is6() || p.Protocol == oracle.ICMPv6 && source.Is4()
	})
	for i := range packets {
		packets[i].Source, packets[i].Destination = source, destination
	}
	return packets
}

type interesting struct {
	addresses map[netip.Addr]struct{}
	ports     map[uint16]struct{}
}

func (i *interesting) cluster(c *oracle.Cluster) {
	for _, pod := range c.Pods {
		for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			for _, p := range container.Ports {
				i.port(p.ContainerPort)
			}
		}
	}
	for _, node := range c.Nodes {
		for _, address := range oracle.NodeAddresses(node) {
			i.addresses[address] = struct{}{}
		}
	}
	for _, np := range c.NetworkPolicies {
		i.networkPolicy(np)
	}
	for _, p := range c.Tierwall {
		i.clusterPolicy(&p.Spec)
	}
	for _, p := range c.Upstream {
		i.clusterPolicy(oracle.SpecOfUpstream(&p.Spec))
	}
}

func (i *interesting) networkPolicy(np *networkingv1.NetworkPolicy) {
	var peers []networkingv1.NetworkPolicyPeer
	var ports []networkingv1.NetworkPolicyPort
	for _, r := range np.Spec.Ingress {
		peers, ports = append(peers, r.From...), append(ports, r.Ports...)
	}
	for _, r := range np.Spec.Egress {
		peers, ports = append(peers, r.To...), append(ports, r.Ports...)
	}
	for _, p := range peers {
		if p.IPBlock != nil {
			i.block(p.IPBlock.CIDR)
			for _, except := range p.IPBlock.Except {
				i.block(except)
			}
		}
	}
	for _, p := range ports {
		if p.Port != nil {
			i.port(p.Port.IntVal)
		}
		if p.EndPort != nil {
			i.port(*p.EndPort)
		}
	}
}

func (i *interesting) clusterPolicy(spec *v1alpha1.ClusterNetworkPolicySpec) {
	for _, r := range spec.Ingress {
		for _, p := range r.From {
			i.networks(p.Networks)
		}
		i.protocols(r.Protocols)
	}
	for _, r := range spec.Egress {
		for _, p := range r.To {
			i.networks(p.Networks)
		}
		i.protocols(r.Protocols)
	}
}

func (i *interesting) networks(cidrs []v1alpha1.CIDR) {
	for _, cidr := range cidrs {
		i.block(string(cidr))
	}
}

func (i *interesting) protocols(list []v1alpha1.ClusterNetworkPolicyProtocol) {
	for _, p := range list {
		var port *v1alpha1.Port
		switch {
		case p.TCP != nil:
			port = p.TCP.DestinationPort
		case p.UDP != nil:
			port = p.UDP.DestinationPort
		case p.SCTP != nil:
			port = p.SCTP.DestinationPort
		}
		if port != nil {
			i.port(port.Number)
		}
		if port != nil && port.Range != nil {
			i.port(port.Range.Start)
			i.port(port.Range.End)
		}
	}
}

// port notes a port and its neighbours.
func (i *interesting) port(number int32) {
	for n := number - 1; n <= number+1; n++ {
		if n >= 1 && n <= 65535 {
			i.ports[uint16(n)] = struct{}{}
		}
	}
}

// block notes the first and last address of a block and those beyond, as far as
// packets with them can be sent.
func (i *interesting) block(cidr string) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil || prefix.Addr().Is4In6() {
		return
	}
	first, last := prefix.Masked().Addr(), lastOf(prefix)
	for _, a := range []netip.Addr{first.Prev(), first, last, last.Next()} {
		if routable(a) {
			i.addresses[a] = struct{}{}
		}
	}
}

func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// routable reports whether routers forward packets from and to an address.
func routable(a netip.Addr) bool {
	if !a.IsValid() || !a.IsGlobalUnicast() {
		return false
	}
	zeroNet, reserved := netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4")
	return !zeroNet.Contains(a) && !reserved.Contains(a)
}
