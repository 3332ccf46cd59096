// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"iter"
	"reflect"
	"slices"
)

// transaction is what changes, as plain data. Within a netlink batch everything
// is torn down before anything is built up, so the kernel never finds a chain or
// set still in use, and a name can be given up and taken again.
type transaction struct {
	// The table itself: wipe deletes all that is in it.
	addTable, wipeTable bool
	// divisible says that nothing leads to what is added, so that it matters to no
	// packet whether it comes in one batch.
	divisible bool
	// awaits says that packets under way have to leave the rules first.
	awaits bool
	// generation is in the names of all objects but old ones, which are as the
	// kernel has them: what an earlier writing of the whole table left.
	generation         generation
	oldChains, oldSets []string

	flushChains    []string
	removeElements map[string][]element
	deleteSets     []string
	deleteChains   []string

	addChains   []chain
	addSets     []set
	addElements map[string][]element
	addRules    []chain

	// streams are further elements of new sets, by set.
	streams map[string]stream

	// What nothing leads to before the change may come early, and what nothing
	// leads to after it goes late. Of earlyChains and lateChains the rules change.
	earlyElements, lateElements map[string][]element
	earlyChains, lateChains     []chain

	// unreloadable is true if an added element does not survive listing and
	// reloading.
	unreloadable bool
}

func newTransaction() *transaction {
	return &transaction{
		removeElements: map[string][]element{}, addElements: map[string][]element{},
		earlyElements: map[string][]element{}, lateElements: map[string][]element{},
		streams: map[string]stream{},
	}
}

// stream is elements that are so many that they are rendered only when they are
// sent.
type stream struct {
	count    int
	elements iter.Seq[element]
}

// renderStreams makes elements like all others of the streams.
func (t *transaction) renderStreams() {
	for name, s := range t.streams {
		t.addElements[name] = slices.AppendSeq(t.addElements[name], s.elements)
	}
	t.streams = nil
}

func (t *transaction) add(setName string, e ...element) { t.addTo(t.addElements, setName, e) }

// addEarly adds elements that nothing leads to before the change.
func (t *transaction) addEarly(setName string, e ...element) { t.addTo(t.earlyElements, setName, e) }

func (t *transaction) addTo(to map[string][]element, setName string, e []element) {
	if len(e) == 0 {
		return
	}
	to[setName] = append(to[setName], e...)
	for _, e := range e {
		t.unreloadable = t.unreloadable || !isReloadable(e.value)
	}
}

// remove takes elements out of a set by their keys.
func (t *transaction) remove(setName string, e ...element) { removeFrom(t.removeElements, setName, e) }

// removeLate takes out elements that nothing leads to after the change.
func (t *transaction) removeLate(setName string, e ...element) {
	removeFrom(t.lateElements, setName, e)
}

func removeFrom(from map[string][]element, setName string, elements []element) {
	for _, e := range elements {
		from[setName] = append(from[setName], element{elementKey: e.elementKey})
	}
}

// size counts the elements that are added and removed.
func (t *transaction) size() int {
	n := 0
	for _, sets := range []map[string][]element{t.addElements, t.removeElements, t.earlyElements, t.lateElements} {
		for _, elements := range sets {
			n += len(elements)
		}
	}
	for _, s := range t.streams {
		n += s.count
	}
	return n
}

// replacePiece brings the objects of a piece from what they are to what they
// shall be.
func (t *transaction) replacePiece(from, to piece) {
	old := byName(from.chains, func(c chain) string { return c.name })
	for _, c := range to.chains {
		was, ok := old[c.name]
		delete(old, c.name)
		switch {
		case !ok:
			t.addChains = append(t.addChains, c)
			t.addRules = append(t.addRules, c)
		case reflect.DeepEqual(was.rules, c.rules):
		case c.optional && c.has(was.rules):
			t.earlyChains = append(t.earlyChains, c)
		case c.optional && was.has(c.rules):
			t.lateChains = append(t.lateChains, c)
		default:
			t.changeRules([]chain{c})
		}
	}
	for name := range old {
		t.flushChains = append(t.flushChains, name)
		t.deleteChains = append(t.deleteChains, name)
	}
	t.replaceSets(from.sets, to.sets)
}

func (t *transaction) replaceSets(from, to []set) {
	old := byName(from, func(s set) string { return s.name })
	for _, s := range to {
		was, ok := old[s.name]
		delete(old, s.name)
		if !ok {
			t.addSets = append(t.addSets, s)
		}
		t.replaceElements(was, s)
	}
	for name := range old {
		t.deleteSets = append(t.deleteSets, name)
		delete(t.removeElements, name) // they go with the set
		delete(t.lateElements, name)
	}
}

// replaceElements brings a set's elements up to date. The kernel refuses to
// change an element's data, so such an element is removed and added.
func (t *transaction) replaceElements(from, to set) {
	add, remove := t.add, t.remove
	if to.kind == kindPodChains {
		add, remove = t.addEarly, t.removeLate
	}
	remove(to.name, missing(from, to)...)
	add(to.name, missing(to, from)...)
}

// replaceList is replaceElements for a part of a set's elements.
func (t *transaction) replaceList(s set, from, to []element) {
	old, wanted := newSet(s.name, s.kind), newSet(s.name, s.kind)
	old.add(from...)
	wanted.add(to...)
	t.replaceElements(old, wanted)
}

// missing returns, in order, the elements of one set that another does not have
// alike.
func missing(of, in set) []element {
	var elements []element
	for key, e := range of.elements {
		if other, ok := in.elements[key]; !ok || other != e {
			elements = append(elements, e)
		}
	}
	slices.SortFunc(elements, func(a, b element) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.keyEnd, b.keyEnd))
	})
	return elements
}

func byName[T any](list []T, name func(T) string) map[string]T {
	m := make(map[string]T, len(list))
	for _, t := range list {
		m[name(t)] = t
	}
	return m
}
