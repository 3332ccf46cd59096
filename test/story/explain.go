// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explanation is what the kernel counted while some pairs were measured again.
type Explanation struct {
	Pairs []Pair
	// Cells are what was measured meanwhile.
	Cells Cells
	// Counts has the rules that decided about the pairs: about each of them if
	// there is one rule only.
	Counts []Count
}

// Count is a rule's counter before and after.
type Count struct {
	Chain
	Before, After uint64
}

// attempts is how often pairs are measured before a cell other than the one that
// is wanted counts: a busy machine may be too slow for the probe once.
const attempts = 3

// Explain finds the rules that decide about pairs: it measures them again and
// looks which counters move. Where several rules count, it goes on with the pairs
// of each destination, and then with each pair. It fails unless the cells are
// those that are wanted, and every connection was counted.
func (s *Story) Explain(ctx context.Context, want Cells, pairs []Pair) ([]Explanation, error) {
	var e Explanation
	var err error
	for range attempts {
		if e, err = s.explainTogether(ctx, pairs); err != nil {
			return nil, err
		}
		if err = e.check(want); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if len(pairs) <= 1 || e.chains() <= 1 {
		return []Explanation{e}, nil
	}
	var explanations []Explanation
	for _, part := range split(pairs) {
		found, err := s.Explain(ctx, want, part)
		if err != nil {
			return nil, err
		}
		explanations = append(explanations, found...)
	}
	return explanations, nil
}

// split divides pairs by destination, or those of one destination singly.
func split(pairs []Pair) [][]Pair {
	// The sort is stable: the sources stay in their order.
	sorted := slices.SortedStableFunc(slices.Values(pairs), func(a, b Pair) int {
		return strings.Compare(a.Destination, b.Destination)
	})
	oneDestination := sorted[0].Destination == sorted[len(sorted)-1].Destination
	var parts [][]Pair
	for i, pair := range sorted {
		if i == 0 || oneDestination || pair.Destination != sorted[i-1].Destination {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], pair)
	}
	return parts
}

func (s *Story) explainTogether(ctx context.Context, pairs []Pair) (Explanation, error) {
	before, err := s.Counters()
	if err != nil {
		return Explanation{}, err
	}
	cells, err := s.Measure(ctx, pairs)
	if err != nil {
		return Explanation{}, err
	}
	after, err := s.Counters()
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Pairs: pairs, Cells: cells}
	for _, chain := range slices.SortedFunc(maps.Keys(after), compareChains) {
		if after[chain] != before[chain] {
			e.Counts = append(e.Counts, Count{Chain: chain, Before: before[chain], After: after[chain]})
		}
	}
	return e, nil
}

func compareChains(a, b Chain) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Node, b.Node))
}

// chains counts the rules, whatever the node.
func (e Explanation) chains() int {
	names := map[string]bool{}
	for _, c := range e.Counts {
		names[c.Name] = true
	}
	return len(names)
}

// check fails unless all is as wanted and each connection was counted.
func (e Explanation) check(want Cells) error {
	for _, pair := range e.Pairs {
		if e.Cells[pair] != want[pair] {
			return fmt.Errorf("%s is %q when it is tried again, want %q", pair, e.Cells[pair], want[pair])
		}
	}
	var counted uint64
	for _, c := range e.Counts {
		counted += c.After - c.Before
	}
	if connections := uint64(len(e.Pairs) * families); counted < connections {
		return fmt.Errorf("%d connections of %v were made, and the kernel's rules counted %d packets", connections, e.Pairs, counted)
	}
	return nil
}
