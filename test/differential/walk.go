// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/oracle"
)

// Way is one of the ways to go through a list of states.
type Way struct {
	// Backwards goes from the last state to the first, and tells of the changes
	// of each step in reverse order.
	Backwards bool
	// Split compiles after every single object that changed.
	Split bool
	// Squashed compiles only at the end.
	Squashed bool
	// Whole compiles at once, not in steps.
	Whole bool
}

// Ways returns all ways, by name.
func Ways() map[string]Way {
	return map[string]Way{
		"forwards":            {},
		"backwards":           {Backwards: true},
		"split":               {Split: true},
		"backwards and split": {Backwards: true, Split: true},
		"squashed":            {Squashed: true},
		"each at once":        {Whole: true},
	}
}

// Walk takes one Compiler through the states. Wherever a state is reached, the
// Ruleset must be what a new Compiler makes of that state alone, a mirror fed
// with the Deltas must be equal to it, and repeating all of the state must change
// nothing. It returns how many Updates it made.
func Walk(states []*oracle.Cluster, way Way) (int, error) {
	w := walker{way: way, agent: NewAgent(), mirror: NewMirror()}
	for i := range states {
		state := states[i]
		if way.Backwards {
			state = states[len(states)-1-i]
		}
		changes := w.agent.Changes(state)
		if way.Backwards {
			slices.Reverse(changes)
		}
		for _, change := range changes {
			change()
			if way.Split {
				if err := w.update(); err != nil {
					return w.updates, fmt.Errorf("step %d: %w", i, err)
				}
			}
		}
		if way.Squashed && i < len(states)-1 {
			continue
		}
		if err := w.arrive(state); err != nil {
			return w.updates, fmt.Errorf("step %d: %w", i, err)
		}
	}
	return w.updates, nil
}

type walker struct {
	way     Way
	agent   *Agent
	mirror  *Mirror
	updates int
}

// arrive compiles and compares with a compilation from scratch.
func (w *walker) arrive(state *oracle.Cluster) error {
	if err := w.update(); err != nil {
		return err
	}
	if err := w.compareWithScratch(state); err != nil {
		return err
	}
	w.agent.state = &oracle.Cluster{Learned: map[string][]netip.Addr{}}
	w.agent.Load(state)
	if delta := w.agent.Compiler.Update(); !delta.Empty() {
		return fmt.Errorf("the same state again changes something: %+v", delta)
	}
	return nil
}

// update compiles, and brings the mirror up to date with the Deltas alone.
func (w *walker) update() error {
	w.updates++
	rs, deltas := w.agent.Compiler.Ruleset(), w.agent.Compiler.Steps()
	if w.way.Whole {
		deltas = func(yield func(*ruleset.Delta) bool) { yield(w.agent.Compiler.Update()) }
	}
	for delta := range deltas {
		w.mirror.Apply(rs, delta)
		if !reflect.DeepEqual(&w.mirror.Ruleset, rs) {
			return fmt.Errorf("the Delta does not name all that changed (-ruleset +mirror):\n%s", textDiff(rs, &w.mirror.Ruleset))
		}
	}
	return nil
}

func (w *walker) compareWithScratch(state *oracle.Cluster) error {
	fresh := NewAgent()
	fresh.Load(state)
	fresh.Compiler.Update()
	want, err := CanonicalOf(fresh.Compiler.Ruleset())
	if err != nil {
		return fmt.Errorf("compiled from scratch: %w", err)
	}
	got, err := CanonicalOf(w.agent.Compiler.Ruleset())
	if err != nil {
		return fmt.Errorf("compiled step by step: %w", err)
	}
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("compiled step by step differs from compiled from scratch (-scratch +steps):\n%s", textDiff(want, got))
}

func textDiff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}))
}
