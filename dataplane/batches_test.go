// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// batchSize is what a batch adds: so many elements of which set, chains, and
// chains with rules.
type batchSize struct {
	Elements      map[string]int
	Chains, Rules int
}

func sizesOf(t *transaction) []batchSize {
	var all []batchSize
	for batch := range t.batches() {
		size := batchSize{Elements: map[string]int{}, Chains: len(batch.addChains), Rules: len(batch.addRules)}
		for name, elements := range batch.addElements {
			size.Elements[name] = len(elements)
		}
		all = append(all, size)
	}
	return all
}

// TestBatches has only a transaction divided that packets do not see as a whole,
// and of that only what is large; both ends of intervals stay together.
func TestBatches(t *testing.T) {
	const elements, chains = 2*elementsPerBatch + 1, chainsPerBatch + 1
	large := func() *transaction {
		tx := newTransaction()
		for name, kind := range map[string]setKind{setEndpoints4: kindEndpoints4, setNetworks4: kindNetworks4, "ranges": kindRowRanges} {
			tx.addSets = append(tx.addSets, newSet(name, kind))
			for i := range uint32(elements) {
				tx.add(name, element{elementKey: elementKey{key: string(binary.BigEndian.AppendUint32(nil, i))}})
			}
		}
		tx.addSets = append(tx.addSets, newSet(setEgress4, kindDispatch4), newSet(setEndpoints6, kindEndpoints6))
		tx.streams[setEndpoints6] = stream{elements, slices.Values(make([]element, elements))}
		tx.add(setEgress4, element{}, element{})
		var to piece
		for i := range chains {
			to.chains = append(to.chains, chain{name: fmt.Sprint("chain-", i), rules: []rule{{}}})
		}
		tx.replacePiece(piece{}, to)
		tx.changeRules([]chain{{name: "changed", rules: []rule{{}}}})
		return tx
	}
	want := []batchSize{{map[string]int{setEndpoints4: elements, setEndpoints6: elements, setNetworks4: elements, "ranges": elements, setEgress4: 2}, chains, chains + 1}}
	if diff := cmp.Diff(want, sizesOf(large().inOneStep())); diff != "" {
		t.Errorf("a transaction that packets see as a whole (-want +got):\n%s", diff)
	}
	divisible := large()
	divisible.divisible = true
	want = []batchSize{
		{map[string]int{}, chainsPerBatch, 0},
		{map[string]int{}, 1, 0},
		{map[string]int{setNetworks4: elements}, 0, 1},
		{map[string]int{setEgress4: 2, setEndpoints4: elementsPerBatch - 2}, 0, 0},
		{map[string]int{setEndpoints4: elementsPerBatch}, 0, 0},
		{map[string]int{setEndpoints4: 3, setEndpoints6: elementsPerBatch - 3}, 0, 0},
		{map[string]int{setEndpoints6: elementsPerBatch}, 0, 0},
		{map[string]int{setEndpoints6: 4, "ranges": elementsPerBatch - 4}, 0, 0},
		{map[string]int{"ranges": elementsPerBatch}, 0, 0},
		{map[string]int{"ranges": 5}, 0, 0},
		{map[string]int{}, 0, chainsPerBatch},
		{map[string]int{}, 0, 1},
	}
	if diff := cmp.Diff(want, sizesOf(divisible)); diff != "" {
		t.Errorf("a divisible transaction (-want +got):\n%s", diff)
	}
}
