// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// Protocol is an IP protocol number.
type Protocol uint8

// The protocols whose ports policies can name, and two that have none.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
	SCTP   Protocol = 132
)

// Direction is "Ingress" or "Egress".
type Direction string

// The directions.
const (
	Ingress Direction = "Ingress"
	Egress  Direction = "Egress"
)

// Packet is the first packet of a connection, as it is between destination and
// source NAT. Port is the destination port, 0 for protocols without ports.
type Packet struct {
	Source, Destination netip.Addr
	Protocol            Protocol
	Port                uint16
}

// String returns the packet for people.
func (p Packet) String() string {
	return fmt.Sprintf("protocol %d from %s to %s port %d", p.Protocol, p.Source, p.Destination, p.Port)
}

// The policy kinds, as in Verdict.Kind.
const (
	KindTierwall      = "tcnp"
	KindUpstream      = "cnp"
	KindNetworkPolicy = "netpol"
)

// DefaultDeny is the Verdict.Rule of the deny that follows from being isolated
// by a NetworkPolicy while no rule accepts.
const DefaultDeny = -1

// Verdict is what becomes of a packet and who decided. If nobody decided, it is
// allowed and all other fields are zero.
type Verdict struct {
	Allowed         bool
	Kind            string
	Namespace, Name string
	Direction       Direction
	// Rule is the index in the policy's list for Direction, or DefaultDeny.
	Rule int
}

// Oracle answers questions about one state of a cluster, which must not change
// meanwhile.
type Oracle struct {
	cluster *Cluster
	owners  map[netip.Addr]*corev1.Pod
	// nodes are the addresses of each node, by name.
	nodes map[string][]netip.Addr
	tiers map[v1alpha1.Tier][]clusterPolicy
}

// New returns an Oracle for a state.
func New(c *Cluster) *Oracle {
	o := &Oracle{cluster: c, owners: c.owners(), nodes: map[string][]netip.Addr{}, tiers: c.clusterPolicies()}
	for _, node := range c.Nodes {
		o.nodes[node.Name] = NodeAddresses(node)
	}
	return o
}

// Owner returns the pod that has an address of its own, or nil.
func (o *Oracle) Owner(address netip.Addr) *corev1.Pod { return o.owners[address] }

// OfNode reports whether an address is one of a node's.
func (o *Oracle) OfNode(node string, address netip.Addr) bool {
	return slices.Contains(o.nodes[node], address)
}

// Decide returns what a node does with a packet that passes it: if the source is
// a pod of the node its egress policies must accept, then the ingress policies
// of the destination if that is a pod of the node.
func (o *Oracle) Decide(node string, p Packet) Verdict {
	source, destination := o.Owner(p.Source), o.Owner(p.Destination)
	if source != nil && source == destination {
		return Verdict{Allowed: true}
	}
	verdict := Verdict{Allowed: true}
	if source != nil && source.Spec.NodeName == node {
		verdict = o.Judge(Egress, p)
	}
	// A NetworkPolicy allows traffic "if the traffic source is the pod's local
	// node", and the kubelet's probes come from there.
	if verdict.Allowed && destination != nil && destination.Spec.NodeName == node && !o.OfNode(node, p.Source) {
		verdict = o.Judge(Ingress, p)
	}
	return verdict
}

// Judge evaluates the policies of one direction, tier by tier. It knows no
// traffic that is exempt: that is Decide's part.
func (o *Oracle) Judge(d Direction, p Packet) Verdict {
	q := query{Oracle: o, direction: d, packet: p, subject: o.Owner(p.Source), other: o.Owner(p.Destination)}
	if d == Ingress {
		q.subject, q.other = q.other, q.subject
	}
	if q.subject == nil {
		return Verdict{Allowed: true}
	}
	if verdict, final := q.clusterTier(v1alpha1.AdminTier); final {
		return verdict
	}
	if verdict, final := q.networkPolicyTier(); final {
		return verdict
	}
	if verdict, final := q.clusterTier(v1alpha1.BaselineTier); final {
		return verdict
	}
	return Verdict{Allowed: true}
}

// query is one packet seen from one side.
type query struct {
	*Oracle
	direction Direction
	packet    Packet
	// subject is the pod on whose behalf the packet is judged, other the pod at
	// the other end, if it is one.
	subject, other *corev1.Pod
}

// peer is the address of the other end.
func (q *query) peer() netip.Addr {
	if q.direction == Ingress {
		return q.packet.Source
	}
	return q.packet.Destination
}

// namedPort reports whether the packet goes to the destination pod's port of
// that name.
func (q *query) namedPort(name string) bool {
	return hasPort(q.Owner(q.packet.Destination), name, q.packet.Protocol, q.packet.Port)
}

// protocolIs reports whether a protocol of the core API, by default TCP, is the
// one with that number.
func protocolIs(name *corev1.Protocol, number Protocol) bool {
	switch {
	case name == nil || *name == "" || *name == corev1.ProtocolTCP:
		return number == TCP
	case *name == corev1.ProtocolUDP:
		return number == UDP
	case *name == corev1.ProtocolSCTP:
		return number == SCTP
	default:
		return false
	}
}
