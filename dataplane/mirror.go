// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
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
	// base is what every table has; it is rendered once.
	base piece
	// proxy is where DNS queries are brought to.
	proxy     []netip.AddrPort
	pieces    map[string]piece
	endpoints map[netip.Addr]ruleset.ClassID
	networks  map[ruleset.NetworkRange]struct{}
	rows      map[ruleset.StackID]map[ruleset.ClassID]ruleset.RowID
	// decisions counts the pieces that go to a decision's chain.
	decisions map[ruleset.Decision]int
	// unreloadable is true if there was an element that does not survive listing
	// and reloading.
	unreloadable bool
}

func newMirror() *mirror {
	return &mirror{
		base:      renderBase(),
		pieces:    map[string]piece{},
		endpoints: map[netip.Addr]ruleset.ClassID{},
		networks:  map[ruleset.NetworkRange]struct{}{},
		rows:      map[ruleset.StackID]map[ruleset.ClassID]ruleset.RowID{},
		decisions: map[ruleset.Decision]int{},
	}
}

// everything returns a delta that names all of rs and all that is in the
// mirror.
func (m *mirror) everything(rs *ruleset.Ruleset) *ruleset.Delta {
	d := &ruleset.Delta{
		Endpoints: map[netip.Addr]struct{}{},
		Subjects:  map[netip.Addr]struct{}{{}: {}},
		Networks:  true,
		Stacks:    map[ruleset.StackID]struct{}{},
		Rows:      map[ruleset.StackID]map[ruleset.ClassID]struct{}{},
	}
	addKeys(d.Endpoints, m.endpoints)
	addKeys(d.Endpoints, rs.Endpoints)
	addKeys(d.Stacks, m.rows)
	for id, stack := range rs.Stacks {
		d.Stacks[id] = struct{}{}
		d.Rows[id] = map[ruleset.ClassID]struct{}{}
		addKeys(d.Rows[id], m.rows[id])
		addKeys(d.Rows[id], stack.Rows)
	}
	return d
}

func addKeys[K comparable, V any](to map[K]struct{}, from map[K]V) {
	for key := range from {
		to[key] = struct{}{}
	}
}
