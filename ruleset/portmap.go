// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"slices"
)

// interval is a range of ports, both ends inclusive.
type interval struct{ first, last uint16 }

// portMap builds a row from rules in the order of precedence: each rule claims
// what no earlier one has.
type portMap struct {
	free [3][]interval // by position in PortProtocols, sorted and disjoint
	rows [3][]PortDecision
}

func newPortMap() *portMap {
	all := []interval{{0, 65535}}
	return &portMap{free: [3][]interval{all, all, all}}
}

// claim gives decision to the ports first to last of the protocol at position
// i, as far as they are free.
func (m *portMap) claim(i int, first, last uint16, decision *Decision) {
	var rest []interval
	for _, f := range m.free[i] {
		if f.last < first || last < f.first {
			rest = append(rest, f)
			continue
		}
		taken := interval{max(f.first, first), min(f.last, last)}
		m.rows[i] = append(m.rows[i], PortDecision{PortProtocols()[i], taken.first, taken.last, decision})
		if f.first < taken.first {
			rest = append(rest, interval{f.first, taken.first - 1})
		}
		if taken.last < f.last {
			rest = append(rest, interval{taken.last + 1, f.last})
		}
	}
	m.free[i] = rest
}

// claimPort is claim for a port with a number; the protocol may be any.
func (m *portMap) claimPort(p Port, decision *Decision) {
	for i, protocol := range PortProtocols() {
		if p.Protocol == protocol || p.Protocol == AnyProtocol {
			m.claim(i, p.First, p.Last, decision)
		}
	}
}

// row ends the map: rest decides what nobody has claimed.
func (m *portMap) row(rest *Decision) Row {
	row := Row{Rest: rest}
	for i := range m.rows {
		for _, f := range m.free[i] {
			m.rows[i] = append(m.rows[i], PortDecision{PortProtocols()[i], f.first, f.last, rest})
		}
		slices.SortFunc(m.rows[i], func(a, b PortDecision) int { return int(a.First) - int(b.First) })
		for _, p := range m.rows[i] {
			row.Ports = appendMerged(row.Ports, p)
		}
	}
	row.Ports = slices.DeleteFunc(row.Ports, func(p PortDecision) bool { return p.Decision == rest })
	return row
}

// appendMerged appends p, or extends the last entry where p goes on with it.
func appendMerged(ports []PortDecision, p PortDecision) []PortDecision {
	if n := len(ports); n > 0 {
		last := &ports[n-1]
		if last.Protocol == p.Protocol && last.Decision == p.Decision && last.Last+1 == p.First {
			last.Last = p.Last
			return ports
		}
	}
	return append(ports, p)
}

// rowKey is the content of a row as a map key. Decisions are interned, so their
// numbers stand for them.
func rowKey(r Row, number func(*Decision) uint64) string {
	key := binary.AppendUvarint(make([]byte, 0, 16), number(r.Rest))
	for _, p := range r.Ports {
		key = append(key, byte(p.Protocol), byte(p.First>>8), byte(p.First), byte(p.Last>>8), byte(p.Last))
		key = binary.AppendUvarint(key, number(p.Decision))
	}
	return string(key)
}
