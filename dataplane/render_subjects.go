// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// renderSubjects returns what sends local pods' traffic to the stacks that
// judge it: their addresses lead to the number of a chain, and that to the chain.
//
// A single map from addresses to chains would do, but the kernel validates all
// that can be reached from a map of verdicts whenever one of its elements comes,
// 13 ms with 10,000 policies. So a pod that comes or goes is an element of data
// only, unless it is the first or last with its stacks.
func renderSubjects(rs *ruleset.Ruleset, numbers *numbering) (piece, error) {
	d := dispatch{
		egress:   [2]set{newSet(setEgress4, kindDispatch4), newSet(setEgress6, kindDispatch6)},
		ingress:  [2]set{newSet(setIngress4, kindDispatch4), newSet(setIngress6, kindDispatch6)},
		self:     [2]set{newSet(setSelf4, kindSelf4), newSet(setSelf6, kindSelf6)},
		chains:   [2]set{newSet(setIngressChains, kindPodChains), newSet(setEgressChains, kindPodChains)},
		rendered: map[podStacks]string{},
		numbers:  numbers,
	}
	for _, address := range slices.SortedFunc(maps.Keys(rs.Subjects), netip.Addr.Compare) {
		subject := rs.Subjects[address]
		if err := d.addSubject(rs, address, subject); err != nil {
			return piece{}, fmt.Errorf("pod %s: %w", subject.Pod, err)
		}
	}
	d.piece.sets = slices.Concat(d.egress[:], d.ingress[:], d.self[:], d.chains[:])
	slices.SortFunc(d.piece.chains, func(a, b chain) int { return cmp.Compare(a.name, b.name) })
	numbers.keep(d.rendered)
	return d.piece, nil
}

// podStacks is what the chain of a local pod depends on.
type podStacks struct {
	direction ruleset.Direction
	stacks    [ruleset.TierCount]ruleset.StackID
}

// dispatch collects the piece of all subjects. Arrays are indexed by family,
// IPv4 first.
type dispatch struct {
	piece                 piece
	egress, ingress, self [2]set
	// chains are indexed by Direction: the kernel refuses one map for both, as
	// egress chains lead on to ingress chains.
	chains [2]set
	// rendered has the value that leads to a chain, for those in the piece.
	rendered map[podStacks]string
	numbers  *numbering
}

// addSubject enters an address. Every subject is in the egress map, also where
// nothing judges what it sends: that is where traffic with itself is accepted,
// before the ingress map can be asked.
func (d *dispatch) addSubject(rs *ruleset.Ruleset, address netip.Addr, subject ruleset.Subject) error {
	if subject.Stacks == ([2][ruleset.TierCount]ruleset.StackID{}) {
		return nil
	}
	family, key := familyIndex(address), string(address.AsSlice())
	d.self[family].add(element{elementKey: elementKey{key: key + key}})
	if err := d.addDirection(rs, d.egress[family], key, subject, ruleset.Egress); err != nil {
		return err
	}
	if subject.Stacks[ruleset.Ingress] == ([ruleset.TierCount]ruleset.StackID{}) {
		return nil
	}
	return d.addDirection(rs, d.ingress[family], key, subject, ruleset.Ingress)
}

// addDirection enters an address into the map of a direction and sees to its
// chain.
func (d *dispatch) addDirection(rs *ruleset.Ruleset, to set, key string, subject ruleset.Subject, direction ruleset.Direction) error {
	stacks := podStacks{direction, subject.Stacks[direction]}
	number, there := d.rendered[stacks]
	if !there {
		n, err := numberOf(d.numbers.take(stacks))
		if err != nil {
			return err
		}
		c := renderPodChain(rs, stacks)
		number = string(n[:])
		d.rendered[stacks] = number
		d.chains[direction].add(element{elementKey: elementKey{key: number}, verdict: *goTo(c.name)})
		d.piece.chains = append(d.piece.chains, c)
	}
	to.add(element{elementKey: elementKey{key: key}, value: number, comment: shorten(printable(subject.Pod), commentLimit)})
	return nil
}

// renderPodChain returns the chain that asks one tier after the other.
func renderPodChain(rs *ruleset.Ruleset, of podStacks) chain {
	c := chain{name: podChain(of)}
	if of.direction == ruleset.Egress {
		c.rules = append(c.rules,
			rule{exprs: append(isSelf(source4(), destination4(), setSelf4), accept()...)},
			rule{exprs: append(isSelf(source6(), destination6(), setSelf6), accept()...)},
		)
	}
	for _, id := range of.stacks {
		if stack := rs.Stacks[id]; stack != nil {
			c.rules = append(c.rules, rule{exprs: []expr.Any{jump(stackChain(stack))}})
		}
	}
	if of.direction == ruleset.Egress {
		c.rules = append(c.rules, rule{exprs: []expr.Any{goTo(chainEgressAccepted)}})
	} else {
		c.rules = append(c.rules, rule{exprs: accept()})
	}
	return c
}
