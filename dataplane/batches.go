// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"iter"
	"maps"
	"slices"
)

// What a batch that may be divided is divided into: at most so many elements of a
// set, or chains, or chains' rules. In a batch an element takes about 0.7 kB of
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
		for _, part := range []iter.Seq[*transaction]{t.newChains(), t.withoutParts(), t.elementsOfLargeSets(), t.rulesOfNewChains()} {
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

// newChains yields the chains, without rules, if they are many.
func (t *transaction) newChains() iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		if !t.manyChains() {
			return
		}
		for chains := range slices.Chunk(t.addChains, chainsPerBatch) {
			batch := t.part()
			batch.addTable, batch.addChains = t.addTable, chains
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
		for _, name := range t.largeSets() {
			delete(rest.addElements, name)
		}
		yield(&rest)
	}
}

// largeSets names the new sets with so many elements that those come in batches of
// their own. Where an element is one end of an interval, both ends have to come
// together.
func (t *transaction) largeSets() []string {
	var names []string
	for _, s := range t.addSets {
		if len(t.addElements[s.name]) > elementsPerBatch && (!s.kind.isInterval() || s.kind.isRanges()) {
			names = append(names, s.name)
		}
	}
	return names
}

// elementsOfLargeSets yields the elements that have batches of their own.
func (t *transaction) elementsOfLargeSets() iter.Seq[*transaction] {
	large := maps.Clone(t.streams)
	for _, name := range t.largeSets() {
		large[name] = stream{len(t.addElements[name]), slices.Values(t.addElements[name])}
	}
	return func(yield func(*transaction) bool) {
		for _, name := range sortedKeys(large) {
			for elements := range large[name].chunks() {
				batch := t.part()
				batch.addElements[name] = elements
				if !yield(batch) {
					return
				}
			}
		}
	}
}

// chunks yields as many elements as a batch has. A chunk is good until the next one
// is asked for.
func (s stream) chunks() iter.Seq[[]element] {
	return func(yield func([]element) bool) {
		chunk := make([]element, 0, min(s.count, elementsPerBatch))
		for e := range s.elements {
			if len(chunk) == elementsPerBatch {
				if !yield(chunk) {
					return
				}
				chunk = chunk[:0]
			}
			chunk = append(chunk, e)
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

func (t *transaction) rulesOfNewChains() iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		if !t.manyChains() {
			return
		}
		for chains := range slices.Chunk(t.addChains, chainsPerBatch) {
			batch := t.part()
			batch.addRules = chains
			if !yield(batch) {
				return
			}
		}
	}
}
