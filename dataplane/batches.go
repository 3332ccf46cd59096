// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"iter"
	"maps"
)

// elementsPerBatch bounds the elements of a batch that may be divided. A batch
// needs about 1 kB of memory for each, in messages and their parts.
const elementsPerBatch = 20_000

// batches returns what is sent as one netlink batch each, one after the other.
func (t *transaction) batches() iter.Seq[*transaction] {
	return func(yield func(*transaction) bool) {
		apart := t.takeApart()
		if !yield(t) {
			return
		}
		for _, name := range sortedKeys(apart) {
			for elements := apart[name]; len(elements) > 0; {
				batch := newTransaction()
				batch.generation = t.generation
				count := min(len(elements), elementsPerBatch)
				batch.addElements[name], elements = elements[:count], elements[count:]
				if !yield(batch) {
					return
				}
			}
		}
	}
}

// takeApart takes the elements of large new sets out of a divisible transaction.
// Where an element is one end of an interval, both ends have to come together.
func (t *transaction) takeApart() map[string][]element {
	apart := map[string][]element{}
	if !t.divisible {
		return apart
	}
	t.addElements = maps.Clone(t.addElements)
	for _, s := range t.addSets {
		if elements := t.addElements[s.name]; len(elements) > elementsPerBatch && (!s.kind.isInterval() || s.kind.isRanges()) {
			apart[s.name] = elements
			delete(t.addElements, s.name)
		}
	}
	return apart
}
