// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"iter"
	"maps"
	"slices"
)

// What a transaction that may be divided is divided into, if it has more: so many
// elements, or chains, or rules of chains. In a batch an element takes about 0.7 kB of
// memory, a chain 2 kB and a rule 6 kB.
const (
	elementsPerBatch = 20_000
	chainsPerBatch   = 2_000
)

// batches returns what is sent as one netlink batch each, one after the other. Of
// what is added, chains come first: elements and rules lead to them.
func (t *transaction) batches() iter.Seq[*transaction] {
	if !t.divisible {
		return func(yield func(*transaction) bool) { yield(t) }
	}
	return func(yield func(*transaction) bool) {
		chains := t.newChains(func(batch *transaction, chains []chain) { batch.addTable, batch.addChains = t.addTable, chains })
		rules := t.newChains(func(batch *transaction, chains []chain) { batch.addRules = chains })
		for _, part := range []iter.Seq[*transaction]{chains, t.withoutParts(), t.elementsApart(), rules} {
			for batch := range part {
				if !yield(batch) {
					return
				}
			}
		}
	}
}

// part returns an empty transaction to fill with a part of this one.
func (t *transaction) part() *transaction {
	part := newTransaction()
	part.generation = t.generation
	return part
}

// manyChains reports whether new chains, and their rules, come in batches of their
// own.
func (t *transaction) manyChains() bool { return len(t.addChains) > chainsPerBatch }

// newChains yields batches of the new chains, if they are many: of as many as
// chainsPerBatch, which fill puts into the batch.
func (t *transaction) newChains(fill func(batch *transaction, chains []chain)) iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		if !t.manyChains() {
			return
		}
		for chains := range slices.Chunk(t.addChains, chainsPerBatch) {
			batch := t.part()
			fill(batch, chains)
			if !yield(batch) {
				return
			}
		}
	}
}

// withoutParts yields what has no batches of its own.
func (t *transaction) withoutParts() iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		rest := *t
		if t.manyChains() {
			isNew := byName(t.addChains, func(c chain) string { return c.name })
			rest.addChains = nil
			rest.addRules = slices.DeleteFunc(slices.Clone(t.addRules), func(c chain) bool { _, ok := isNew[c.name]; return ok })
		}
		rest.addElements = maps.Clone(t.addElements)
		apart := t.apart()
		for name := range apart {
			delete(rest.addElements, name)
		}
		if apart == nil {
			rest.renderStreams()
		}
		yield(&rest)
	}
}

// apart returns the elements that come in batches of their own, by set: all of
// them if there are many. But where an element is one end of an interval, both ends
// have to come together.
func (t *transaction) apart() map[string]iter.Seq[element] {
	if t.size() <= elementsPerBatch {
		return nil
	}
	apart := map[string]iter.Seq[element]{}
	for name, elements := range t.addElements {
		if name != setNetworks4 && name != setNetworks6 {
			apart[name] = slices.Values(elements)
		}
	}
	for name, s := range t.streams {
		apart[name] = s.elements
	}
	return apart
}

// elementsApart yields the elements that have batches of their own.
func (t *transaction) elementsApart() iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		batch, count := t.part(), 0
		apart := t.apart()
		for _, name := range sortedKeys(apart) {
			for e := range apart[name] {
				batch.addElements[name] = append(batch.addElements[name], e)
				if count++; count < elementsPerBatch {
					continue
				}
				if !yield(batch) {
					return
				}
				batch, count = t.part(), 0
			}
		}
		if count > 0 {
			yield(batch)
		}
	}
}
