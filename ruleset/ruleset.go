// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
)

// ClassID names a class: a set of addresses that no peer in use tells apart.
// IDs are small and reused; 0 is no class.
type ClassID uint32

// RowID names a row of one stack. Row 0 is the stack's default row.
type RowID uint32

// StackID names a stack, as in "admin-in-3". It says nothing of the policies in
// it: a stack keeps its ID, and so its tables, while policies come and go. An ID
// is always of the same tier and direction. It has only lower-case letters, digits
// and hyphens, and at most 32 of them.
type StackID string

// Ruleset is the whole compiled, tiered result for one node: plain data.
// It is owned by the Compiler that made it and changes with
// [Compiler.Update]; others only read it.
type Ruleset struct {
	// Subjects are the local pods' addresses with the stacks that judge them.
	Subjects map[netip.Addr]Subject
	// Endpoints gives the class of each address with an identity the cluster
	// knows. An address that is not listed has the class of its network.
	Endpoints map[netip.Addr]ClassID
	// Networks are disjoint, sorted ranges that cover all IPv4 and all IPv6
	// addresses.
	Networks []NetworkRange
	// Stacks are the stacks in use by Subjects.
	Stacks map[StackID]*Stack
}

// Subject is what judges one local pod's traffic.
type Subject struct {
	// Pod is "namespace/name", for people.
	Pod string
	// Stacks are indexed by Direction and Tier; "" where no policy of that
	// tier applies in that direction.
	Stacks [2][TierCount]StackID
	// Domains says that an egress rule with domain names applies to the pod, so
	// that what it asks DNS servers has to be seen.
	Domains bool
}

// NetworkRange is a range of addresses (both ends inclusive, one family) that
// share a class.
type NetworkRange struct {
	First, Last netip.Addr
	Class       ClassID
}

// Stack is the compiled form of the ordered policies of one tier and direction
// that select a subject: for each class of peer a row, for each row what is
// decided for a protocol and port.
type Stack struct {
	ID        StackID
	Direction Direction
	Tier      Tier
	// Policies are in the order of precedence.
	Policies []PolicyKey
	// Rows gives the row of the classes that do not have the default row.
	Rows map[ClassID]RowID
	// Table holds the rows by ID. Table[0] is the default row and is always
	// there; every other row is used by some class.
	Table map[RowID]Row
}

// Row is the decision for each protocol and port, for peers of some classes.
type Row struct {
	// Ports are disjoint, sorted by protocol and port, and never say the same
	// as Rest.
	Ports []PortDecision
	// Rest decides what Ports does not; nil is no match: the next tier is
	// asked.
	Rest *Decision
}

// PortDecision is what is decided for destination ports First to Last (both
// inclusive) of one protocol. A nil Decision is no match.
type PortDecision struct {
	Protocol    Protocol
	First, Last uint16
	Decision    *Decision
}

// DefaultDeny is the Decision.Rule of the deny that follows from being selected
// by a NetworkPolicy while no rule accepts.
const DefaultDeny = -1

// Decision is an action together with the rule it comes from. Decisions with
// equal fields are interchangeable.
type Decision struct {
	Action    Action
	Tier      Tier
	Direction Direction
	// Policy is the policy that decided. For a DefaultDeny, it is the first by
	// Compare of the NetworkPolicies that isolate the subject.
	Policy PolicyKey
	// Rule is the index in the policy's list for Direction, or DefaultDeny.
	Rule int
	// RuleName is the rule's own name; may be empty.
	RuleName string
	// FailClosed is true if the rule was not understood and therefore denies.
	FailClosed bool
}

// Delta names what changed in a Ruleset since the last Delta. It holds keys
// only: the values are in the Ruleset, and a key that is not there any more was
// removed. So Deltas merge by union, and applying one twice does no harm.
type Delta struct {
	// Endpoints are addresses that came, went, or have another class.
	Endpoints map[netip.Addr]struct{}
	// Subjects are addresses of local pods that came, went, or have other
	// stacks.
	Subjects map[netip.Addr]struct{}
	// Networks says that any of the ranges changed.
	Networks bool
	// Stacks are stacks that came, went, or whose Policies or default row
	// changed.
	Stacks map[StackID]struct{}
	// Tables are the rows of a stack's Table, but for the default one, that came,
	// went or changed, including all of stacks that came or went.
	Tables map[StackID]map[RowID]struct{}
	// Rows are the classes whose row in a stack changed, including all of stacks
	// that came or went.
	Rows map[StackID]map[ClassID]struct{}
}

// Empty reports whether nothing changed.
func (d *Delta) Empty() bool {
	return len(d.Endpoints) == 0 && len(d.Subjects) == 0 && !d.Networks && len(d.Stacks) == 0 && len(d.Tables) == 0 && len(d.Rows) == 0
}

// mark adds a key of a stack.
func mark[K comparable](to map[StackID]map[K]struct{}, id StackID, key K) {
	if to[id] == nil {
		to[id] = map[K]struct{}{}
	}
	to[id][key] = struct{}{}
}
