// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"iter"
	"net/netip"

	"github.com/tierwall/tierwall/ruleset"
)

// Keys of the pieces there is one of.
const (
	pieceBase     = "base"
	pieceSubjects = "subjects"
	pieceDNS      = "dns"
)

// mirror is what the kernel's table holds, as far as it is needed to know what
// to change. The elements of the large maps are kept as numbers only.
type mirror struct {
	// generation is in the names of what the kernel holds.
	generation generation
	// base is what every table has; it is rendered once.
	base piece
	// proxy is where DNS queries are brought to.
	proxy     []netip.AddrPort
	pieces    map[string]piece
	endpoints map[netip.Addr]ruleset.ClassID
	networks  map[ruleset.NetworkRange]struct{}
	stacks    map[ruleset.StackID]*stackMirror
	// podChains numbers the chains of local pods by name.
	podChains *numbering
	// decisions counts the elements and rules that go to a decision's chain.
	decisions map[ruleset.Decision]int
	// rooms has the sets of fixed size by name.
	rooms map[string]*room
	// unreloadable is true if there was an element that does not survive listing
	// and reloading.
	unreloadable bool
}

// stackMirror is what the kernel holds of one stack, but for its piece.
type stackMirror struct {
	rows map[ruleset.ClassID]ruleset.RowID
	// table has the rows but the default one; maps are what they are in, and
	// sizes is how many elements those have.
	table map[ruleset.RowID]ruleset.Row
	maps  [rowMapCount]set
	sizes [rowMapCount]int
}

func newStackMirror(s *ruleset.Stack) *stackMirror {
	return &stackMirror{rows: map[ruleset.ClassID]ruleset.RowID{}, table: map[ruleset.RowID]ruleset.Row{}, maps: rowMaps(s)}
}

func newMirror() *mirror {
	return &mirror{
		base:      renderBase(),
		pieces:    map[string]piece{},
		endpoints: map[netip.Addr]ruleset.ClassID{},
		networks:  map[ruleset.NetworkRange]struct{}{},
		stacks:    map[ruleset.StackID]*stackMirror{},
		podChains: newNumbering(),
		decisions: map[ruleset.Decision]int{},
		rooms:     map[string]*room{},
	}
}

// everything returns a delta that names all of rs and all that is in the
// mirror, but for the endpoints, which are many: allEndpoints has them.
func (m *mirror) everything(rs *ruleset.Ruleset) *ruleset.Delta {
	d := &ruleset.Delta{
		Subjects: map[netip.Addr]struct{}{{}: {}},
		Networks: true,
		Stacks:   map[ruleset.StackID]struct{}{},
		Tables:   map[ruleset.StackID]map[ruleset.RowID]struct{}{},
		Rows:     map[ruleset.StackID]map[ruleset.ClassID]struct{}{},
	}
	addKeys(d.Stacks, m.stacks)
	addKeys(d.Stacks, rs.Stacks)
	for id := range d.Stacks {
		d.Tables[id], d.Rows[id] = map[ruleset.RowID]struct{}{}, map[ruleset.ClassID]struct{}{}
		if held := m.stacks[id]; held != nil {
			addKeys(d.Tables[id], held.table)
			addKeys(d.Rows[id], held.rows)
		}
		if stack := rs.Stacks[id]; stack != nil {
			addKeys(d.Tables[id], stack.Table)
			addKeys(d.Rows[id], stack.Rows)
			delete(d.Tables[id], 0)
		}
	}
	return d
}

// allEndpoints yields the addresses of all endpoints of rs and of all that are in
// the mirror; some twice.
func (m *mirror) allEndpoints(rs *ruleset.Ruleset) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, endpoints := range []map[netip.Addr]ruleset.ClassID{rs.Endpoints, m.endpoints} {
			for address := range endpoints {
				if !yield(address) {
					return
				}
			}
		}
	}
}

func addKeys[K comparable, V any](to map[K]struct{}, from map[K]V) {
	for key := range from {
		to[key] = struct{}{}
	}
}
