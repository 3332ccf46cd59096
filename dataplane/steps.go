// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"slices"
	"time"
)

// steps splits a transaction into up to three that are sent one after the other:
// create what is new, change what is there, delete what is gone. Only the second
// matters to packets, and it is one batch.
//
// The kernel fixes which generation of the rules a packet sees when the packet
// enters a hook, but looks elements up in the generation of that moment. A packet
// that is under way during a commit may so find an element of a chain that for
// it is still empty, or no element in a set that is just being deleted, and be
// accepted though neither the old nor the new table would. With chains and sets
// that exist before the change and after it, there is no such moment.
func (t *transaction) steps() []*transaction {
	if t.wipeTable || t.newTable || t.renews() {
		return []*transaction{t}
	}
	create, change, remove := newTransaction(), newTransaction(), newTransaction()
	create.addTable, create.addSets = t.addTable, t.addSets
	change.flushSets = t.flushSets
	remove.deleteSets, remove.deleteChains = t.deleteSets, t.deleteChains
	t.splitChains(create, change, remove)
	t.splitElements(create, change, remove)
	return []*transaction{create, change, remove}
}

// splitElements splits what is about elements. Those that lead to the chains of
// pods are there before the pods' addresses and stay longer, as do the chains.
func (t *transaction) splitElements(create, change, remove *transaction) {
	isNew := byName(t.addSets, func(s set) string { return s.name })
	for name, elements := range t.addElements {
		if _, ok := isNew[name]; ok || leadsToPodChains(name) && !slices.Contains(t.flushSets, name) {
			create.addElements[name] = elements
		} else {
			change.addElements[name] = elements
		}
	}
	for name, elements := range t.removeElements {
		if leadsToPodChains(name) {
			remove.removeElements[name] = elements
		} else {
			change.removeElements[name] = elements
		}
	}
}

func leadsToPodChains(setName string) bool {
	return setName == setEgressChains || setName == setIngressChains
}

// splitChains splits what is about chains. A new chain at a hook is a change: it
// is used as soon as it is there.
func (t *transaction) splitChains(create, change, remove *transaction) {
	isNew := map[string]bool{}
	for _, c := range t.addChains {
		step := change
		if c.hook == nil {
			step = create
			isNew[c.name] = true
		}
		step.addChains = append(step.addChains, c)
	}
	for _, c := range t.addRules {
		step := change
		if isNew[c.name] {
			step = create
		}
		step.addRules = append(step.addRules, c)
	}
	isGone := byName(t.deleteChains, func(name string) string { return name })
	for _, name := range t.flushChains {
		step := change
		if _, ok := isGone[name]; ok {
			step = remove
		}
		step.flushChains = append(step.flushChains, name)
	}
}

// renews reports whether something is deleted and created under the same name.
func (t *transaction) renews() bool {
	chains := byName(t.addChains, func(c chain) string { return c.name })
	for _, name := range t.deleteChains {
		if _, ok := chains[name]; ok {
			return true
		}
	}
	sets := byName(t.addSets, func(s set) string { return s.name })
	for _, name := range t.deleteSets {
		if _, ok := sets[name]; ok {
			return true
		}
	}
	return false
}

// onlyDeletes reports whether the transaction is the last of the steps, with
// something to do.
func (t *transaction) onlyDeletes() bool {
	return len(t.addRules)+len(t.addElements) == 0 && len(t.deleteSets)+len(t.deleteChains) > 0
}

// packetTime is some thousand times what a packet takes to pass the rules.
const packetTime = 10 * time.Millisecond

// awaitPackets waits until the packets that are under way have left the rules.
func awaitPackets() { time.Sleep(packetTime) }
