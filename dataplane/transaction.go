// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"reflect"
	"slices"
)

// transaction is what changes, as plain data. Within a netlink batch everything
// is torn down before anything is built up, so the kernel never finds a chain or
// set still in use, and a name can be given up and taken again.
type transaction struct {
	// The table itself: wipe deletes all that is in it; new says that there is
	// nothing in it.
	addTable, wipeTable, newTable bool

	flushChains    []string
	flushSets      []string
	removeElements map[string][]element
	deleteSets     []string
	deleteChains   []string

	addChains   []chain
	addSets     []set
	addElements map[string][]element
	addRules    []chain

	// unreloadable is true if an added element does not survive listing and
	// reloading.
	unreloadable bool
}

func newTransaction() *transaction {
	return &transaction{removeElements: map[string][]element{}, addElements: map[string][]element{}}
}

func (t *transaction) add(setName string, e ...element) {
	t.addElements[setName] = append(t.addElements[setName], e...)
	for _, e := range e {
		t.unreloadable = t.unreloadable || !isReloadable(e.value)
	}
}

// remove takes elements out of a set by their keys.
func (t *transaction) remove(setName string, e ...element) {
	for _, e := range e {
		t.removeElements[setName] = append(t.removeElements[setName], element{elementKey: e.elementKey})
	}
}

// size counts the elements that are added and removed.
func (t *transaction) size() int {
	n := 0
	for _, elements := range t.addElements {
		n += len(elements)
	}
	for _, elements := range t.removeElements {
		n += len(elements)
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
		case !reflect.DeepEqual(was.rules, c.rules):
			t.flushChains = append(t.flushChains, c.name)
			t.addRules = append(t.addRules, c)
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
	}
}

// replaceElements brings a set's elements up to date. The kernel refuses to
// change an element's data, so such an element is removed and added.
func (t *transaction) replaceElements(from, to set) {
	for _, e := range missing(from, to) {
		t.remove(to.name, e)
	}
	for _, e := range missing(to, from) {
		t.add(to.name, e)
	}
}

// replaceList is replaceElements for a part of a set's elements.
func (t *transaction) replaceList(s set, from, to []element) {
	if len(from) == 0 && len(to) > 0 {
		t.add(s.name, to...)
		return
	}
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
