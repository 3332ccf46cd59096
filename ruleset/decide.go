// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
	"slices"
)

// Decide evaluates one direction for the first packet of a connection between
// subject and peer. It returns the decision that was final, or nil if no tier
// decided: then the traffic is accepted. It reads the tables as the kernel does
// and knows the packet only by what it is given; traffic that is never
// evaluated (a pod with itself, a pod's own node) is for the caller to leave
// out. A subject that is not one of the node's pods has nothing against it.
func (r *Ruleset) Decide(d Direction, subject, peer netip.Addr, protocol Protocol, port uint16) *Decision {
	class := r.Class(peer)
	for _, id := range r.Subjects[subject].Stacks[d] {
		stack := r.Stacks[id]
		if stack == nil {
			continue
		}
		row := stack.Table[stack.Rows[class]]
		decision := row.Decide(protocol, port)
		if decision != nil && decision.Action != Pass {
			return decision
		}
	}
	return nil
}

// Class returns the class of an address.
func (r *Ruleset) Class(address netip.Addr) ClassID {
	if class, ok := r.Endpoints[address]; ok {
		return class
	}
	i, ok := slices.BinarySearchFunc(r.Networks, address, func(n NetworkRange, a netip.Addr) int {
		switch {
		case n.Last.Compare(a) < 0:
			return -1
		case n.First.Compare(a) > 0:
			return 1
		default:
			return 0
		}
	})
	if !ok {
		return 0
	}
	return r.Networks[i].Class
}

// Decide returns the row's decision for a protocol and destination port; nil is
// no match.
func (r *Row) Decide(protocol Protocol, port uint16) *Decision {
	for _, p := range r.Ports {
		if p.Protocol == protocol && p.First <= port && port <= p.Last {
			return p.Decision
		}
	}
	return r.Rest
}
