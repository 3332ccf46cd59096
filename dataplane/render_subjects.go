// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// renderSubjects returns what sends local pods' traffic to the stacks that
// judge it.
func renderSubjects(rs *ruleset.Ruleset) piece {
	d := dispatch{
		egress:  [2]set{newSet(setEgress4, kindDispatch4), newSet(setEgress6, kindDispatch6)},
		ingress: [2]set{newSet(setIngress4, kindDispatch4), newSet(setIngress6, kindDispatch6)},
		self:    [2]set{newSet(setSelf4, kindSelf4), newSet(setSelf6, kindSelf6)},
		chains:  map[string]chain{},
	}
	for address, subject := range rs.Subjects {
		d.addSubject(rs, address, subject)
	}
	p := piece{sets: slices.Concat(d.egress[:], d.ingress[:], d.self[:])}
	for _, name := range sortedKeys(d.chains) {
		p.chains = append(p.chains, d.chains[name])
	}
	return p
}

// dispatch collects the piece of all subjects. Arrays are indexed by family,
// IPv4 first.
type dispatch struct {
	egress, ingress, self [2]set
	chains                map[string]chain
}

// addSubject enters an address. Every subject is in the egress map, also where
// nothing judges what it sends: that is where traffic with itself is accepted,
// before the ingress map can be asked.
func (d *dispatch) addSubject(rs *ruleset.Ruleset, address netip.Addr, subject ruleset.Subject) {
	if subject.Stacks == ([2][ruleset.TierCount]ruleset.StackID{}) {
		return
	}
	family := 0
	if address.Is6() {
		family = 1
	}
	key := string(address.AsSlice())
	d.self[family].add(element{elementKey: elementKey{key: key + key}})
	d.egress[family].add(d.goToPod(rs, ruleset.Egress, key, subject))
	if subject.Stacks[ruleset.Ingress] != ([ruleset.TierCount]ruleset.StackID{}) {
		d.ingress[family].add(d.goToPod(rs, ruleset.Ingress, key, subject))
	}
}

// goToPod returns the dispatch element of a subject and sees to its chain.
func (d *dispatch) goToPod(rs *ruleset.Ruleset, direction ruleset.Direction, key string, subject ruleset.Subject) element {
	name := podChain(direction, subject.Stacks[direction])
	if _, ok := d.chains[name]; !ok {
		d.chains[name] = renderPodChain(rs, direction, subject.Stacks[direction])
	}
	return element{
		elementKey: elementKey{key: key},
		verdict:    *goTo(name),
		comment:    shorten(printable(subject.Pod), commentLimit),
	}
}

// renderPodChain returns the chain that asks one tier after the other.
func renderPodChain(rs *ruleset.Ruleset, direction ruleset.Direction, stacks [ruleset.TierCount]ruleset.StackID) chain {
	c := chain{name: podChain(direction, stacks)}
	if direction == ruleset.Egress {
		c.rules = append(c.rules,
			rule{exprs: append(isSelf(source4(), destination4(), setSelf4), &expr.Verdict{Kind: expr.VerdictAccept})},
			rule{exprs: append(isSelf(source6(), destination6(), setSelf6), &expr.Verdict{Kind: expr.VerdictAccept})},
		)
	}
	for _, id := range stacks {
		if stack := rs.Stacks[id]; stack != nil {
			c.rules = append(c.rules, rule{exprs: []expr.Any{jump(stackChain(stack))}})
		}
	}
	if direction == ruleset.Egress {
		c.rules = append(c.rules, rule{exprs: []expr.Any{goTo(chainEgressAccepted)}})
	} else {
		c.rules = append(c.rules, rule{exprs: accept()})
	}
	return c
}
