// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"maps"
	"slices"
	"time"
)

// steps splits a transaction into up to three that are sent one after the other:
// create what is new, change what is there, delete what is gone. Only the second
// matters to packets, and it is one batch.
//
// The kernel fixes which generation of the rules a packet sees when the packet
// enters a hook, but looks elements up in the generation of that moment, and the
// elements of interval maps change later in a commit than all others. A packet
// that is under way during a commit may so find an element of a chain that for
// it is still empty, a row without its port ranges, or no element in a set that is
// just being deleted, and be accepted though neither the old nor the new table
// would. With all of that there before the change and after it, there is no such
// moment.
func (t *transaction) steps() []*transaction {
	if t.wipeTable || t.renews() {
		return []*transaction{t.inOneStep()}
	}
	create, change, remove := newTransaction(), newTransaction(), newTransaction()
	create.generation, change.generation, remove.generation = t.generation, t.generation, t.generation
	create.addTable, create.addSets = t.addTable, t.addSets
	create.addElements, change.addElements = t.splitElements()
	create.streams, create.divisible = t.streams, true
	change.removeElements, remove.removeElements = t.removeElements, t.lateElements
	remove.deleteSets, remove.deleteChains = t.deleteSets, t.deleteChains
	remove.oldSets, remove.oldChains = t.oldSets, t.oldChains
	t.splitChains(create, change, remove)
	remove.awaits = len(remove.deleteSets)+len(remove.deleteChains)+len(remove.oldSets)+len(remove.oldChains)+len(remove.flushChains) > 0
	return []*transaction{create, change, remove}
}

// splitElements returns the elements to be added early and those that are added
// in the change: by set.
func (t *transaction) splitElements() (early, change map[string][]element) {
	early, change = maps.Clone(t.earlyElements), maps.Clone(t.addElements)
	for _, s := range t.addSets {
		if elements := change[s.name]; len(elements) > 0 {
			early[s.name] = append(elements, early[s.name]...)
			delete(change, s.name)
		}
	}
	return early, change
}

// inOneStep is the transaction without anything early or late.
func (t *transaction) inOneStep() *transaction {
	t.renderStreams()
	for name, elements := range t.earlyElements {
		t.addElements[name] = append(t.addElements[name], elements...)
	}
	for name, elements := range t.lateElements {
		t.removeElements[name] = append(t.removeElements[name], elements...)
	}
	t.changeRules(slices.Concat(t.earlyChains, t.lateChains))
	return t
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
	create.changeRules(t.earlyChains)
	remove.changeRules(t.lateChains)
}

func (t *transaction) changeRules(chains []chain) {
	for _, c := range chains {
		t.flushChains = append(t.flushChains, c.name)
		t.addRules = append(t.addRules, c)
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

// packetTime is some thousand times what a packet takes to pass the rules.
const packetTime = 10 * time.Millisecond

// awaitPackets waits until the packets that are under way have left the rules.
func awaitPackets() { time.Sleep(packetTime) }
