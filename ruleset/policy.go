// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// Policy is the one internal form of all three policy kinds. It is immutable
// once built; the From functions build it.
type Policy struct {
	Key  PolicyKey
	Tier Tier
	// Priority orders policies of a tier, lower first; equal ones are ordered
	// by Key. It is 0 for every NetworkPolicy.
	Priority int32
	// Subject selects the pods the policy applies to; nil selects none.
	Subject *PodSelector
	// Isolates says, per direction, that a subject's traffic which no rule of
	// its NetworkPolicies accepts is denied. Only NetworkPolicies isolate.
	Isolates [2]bool
	// Rules are the rules per direction, in the order in which they apply.
	Rules [2][]Rule
	// Problems lists what this version could not understand or does not
	// enforce, in the order of the fields.
	Problems []Problem
}

// Applies reports whether the policy has any effect in direction d.
func (p *Policy) Applies(d Direction) bool {
	return p.Subject != nil && (p.Isolates[d] || len(p.Rules[d]) > 0)
}

// peers returns the peers of all rules.
func (p *Policy) peers() []Peer {
	var peers []Peer
	for _, r := range slices.Concat(p.Rules[:]...) {
		peers = append(peers, r.Peers...)
	}
	return peers
}

// Problem is one thing in a policy object that is not enforced as written.
type Problem struct {
	// Field is the path of the field, as in "spec.ingress[0].from[1]".
	Field string
	// Message says what is wrong, what happens instead, and the remedy.
	Message string
}

// Rule is one entry of a policy's ingress or egress list.
type Rule struct {
	// Index is the rule's position in the object's list, from 0.
	Index int
	// Name is the rule's own name; may be empty.
	Name   string
	Action Action
	// Peers are alternatives; empty matches every peer.
	Peers []Peer
	// Ports are alternatives; empty matches all traffic, of any protocol.
	Ports []Port
	// FailClosed marks a rule that was not understood and denies everything.
	FailClosed bool
}

// Peer is one alternative of a rule's from or to list. Exactly one field is
// set.
type Peer struct {
	Pods *PodSelector
	// Nodes selects nodes by their labels.
	Nodes labels.Selector
	Net   *Network
	// Domain is a domain name in lower case, without trailing dot, with
	// "*." in front where it stands for names below it.
	Domain string
}

// PodSelector selects pods that are not host-networked and have not ended.
// A pod is selected if all selectors match.
type PodSelector struct {
	// Namespace is the only namespace selected from; if empty, Namespaces
	// decides.
	Namespace string
	// Namespaces selects by the labels of the pod's namespace.
	Namespaces labels.Selector
	// Pods selects by the pod's own labels.
	Pods labels.Selector
	// Nodes selects by the labels of the pod's node; nil selects any.
	Nodes labels.Selector
}

// Network is a block of addresses with holes.
type Network struct {
	// CIDR is masked: no host bits are set.
	CIDR netip.Prefix
	// Except are masked blocks within CIDR that do not match.
	Except []netip.Prefix
}

// Port is one alternative of what traffic a rule speaks of.
type Port struct {
	// Protocol is TCP, UDP or SCTP; AnyProtocol only together with Name.
	Protocol Protocol
	// First and Last bound the destination ports, both inclusive.
	First, Last uint16
	// Name is a container port's name to look up on the destination pod;
	// First and Last are then unused.
	Name string
}
