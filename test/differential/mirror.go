// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/ruleset"
)

// Mirror is a copy of a Ruleset that is kept up to date by Deltas alone, as the
// kernel's table is.
type Mirror struct {
	ruleset.Ruleset
}

// NewMirror returns the copy of a Ruleset that has nothing in it.
func NewMirror() *Mirror {
	return &Mirror{ruleset.Ruleset{
		Subjects: map[netip.Addr]ruleset.Subject{}, Endpoints: map[netip.Addr]ruleset.ClassID{}, Stacks: map[ruleset.StackID]*ruleset.Stack{},
	}}
}

// Apply copies what the Delta names, and nothing else.
func (m *Mirror) Apply(rs *ruleset.Ruleset, delta *ruleset.Delta) {
	copyKeys(m.Endpoints, rs.Endpoints, delta.Endpoints)
	copyKeys(m.Subjects, rs.Subjects, delta.Subjects)
	if delta.Networks {
		m.Networks = slices.Clone(rs.Networks)
	}
	for id := range delta.Stacks {
		stack, ok := rs.Stacks[id]
		if !ok {
			delete(m.Stacks, id)
			continue
		}
		copied := *stack
		copied.Policies = slices.Clone(stack.Policies)
		copied.Rows, copied.Table = map[ruleset.ClassID]ruleset.RowID{}, map[ruleset.RowID]ruleset.Row{}
		if old := m.Stacks[id]; old != nil {
			copied.Rows, copied.Table = old.Rows, old.Table
		}
		copied.Table[0] = stack.Table[0]
		m.Stacks[id] = &copied
	}
	for id, rows := range delta.Tables {
		if stack := m.Stacks[id]; stack != nil && rs.Stacks[id] != nil {
			copyKeys(stack.Table, rs.Stacks[id].Table, rows)
		}
	}
	for id, classes := range delta.Rows {
		if stack := m.Stacks[id]; stack != nil && rs.Stacks[id] != nil {
			copyKeys(stack.Rows, rs.Stacks[id].Rows, classes)
		}
	}
}

func copyKeys[K comparable, V any](to, from map[K]V, keys map[K]struct{}) {
	for key := range keys {
		if value, ok := from[key]; ok {
			to[key] = value
		} else {
			delete(to, key)
		}
	}
}
