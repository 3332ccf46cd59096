// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

// decisionPool interns decisions, so that equal ones are the same pointer and
// rows are compared by a few bytes. Numbers are never used again; 0 is "no
// match".
type decisionPool struct {
	entries map[Decision]*decisionEntry
	numbers map[*Decision]uint64
	last    uint64
}

type decisionEntry struct {
	decision *Decision
	uses     int
}

func newDecisionPool() decisionPool {
	return decisionPool{entries: map[Decision]*decisionEntry{}, numbers: map[*Decision]uint64{}}
}

// acquire returns the one pointer for d and counts a use of it.
func (p *decisionPool) acquire(d Decision) *Decision {
	entry := p.entries[d]
	if entry == nil {
		entry = &decisionEntry{decision: &d}
		p.entries[d] = entry
		p.last++
		p.numbers[entry.decision] = p.last
	}
	entry.uses++
	return entry.decision
}

// release takes one use back.
func (p *decisionPool) release(d *Decision) {
	entry := p.entries[*d]
	if entry.uses--; entry.uses == 0 {
		delete(p.entries, *d)
		delete(p.numbers, entry.decision)
	}
}

// number returns the number of an acquired decision, 0 for nil.
func (p *decisionPool) number(d *Decision) uint64 { return p.numbers[d] }
