// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// batched is a transaction's batches, by how many elements of which set they add.
func batched(t *transaction) []map[string]int {
	var all []map[string]int
	for batch := range t.batches() {
		counts := map[string]int{}
		for name, elements := range batch.addElements {
			counts[name] = len(elements)
		}
		all = append(all, counts)
	}
	return all
}

func TestBatches(t *testing.T) {
	const many, few = 2*elementsPerBatch + 1, 3
	filled := func() *transaction {
		tx := newTransaction()
		for name, kind := range map[string]setKind{setEndpoints4: kindEndpoints4, setNetworks4: kindNetworks4, "ranges": kindRowRanges} {
			tx.addSets = append(tx.addSets, newSet(name, kind))
			for i := range uint32(many) {
				tx.add(name, element{elementKey: elementKey{key: string(binary.BigEndian.AppendUint32(nil, i))}})
			}
		}
		tx.addSets = append(tx.addSets, newSet(setEgress4, kindDispatch4))
		tx.add(setEgress4, make([]element, few)...)
		return tx
	}
	whole := map[string]int{setEndpoints4: many, setNetworks4: many, "ranges": many, setEgress4: few}
	if diff := cmp.Diff([]map[string]int{whole}, batched(filled())); diff != "" {
		t.Errorf("a transaction that packets see as a whole (-want +got):\n%s", diff)
	}
	divisible := filled()
	divisible.divisible = true
	want := []map[string]int{
		{setNetworks4: many, setEgress4: few},
		{setEndpoints4: elementsPerBatch}, {setEndpoints4: elementsPerBatch}, {setEndpoints4: 1},
		{"ranges": elementsPerBatch}, {"ranges": elementsPerBatch}, {"ranges": 1},
	}
	if diff := cmp.Diff(want, batched(divisible)); diff != "" {
		t.Errorf("a divisible transaction (-want +got):\n%s", diff)
	}
}
