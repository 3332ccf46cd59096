// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

// A set of fixed size is created with room for roomFactor times the elements that
// it has then, and for minimumRoom at least. That costs up to 21 bytes a place: the
// kernel has one bucket of 8 bytes for 4/3 places, rounded up to a power of two.
const (
	roomFactor  = 2
	minimumRoom = 256
)

// room is how many elements a set of fixed size has, and may have.
type room struct {
	used, size int
}

// hasFixedSize reports whether the set is created with a size. The kernel has a
// simple hash table for keys of four bytes (nft_hash_lookup_fast) that it uses only
// if it is told a size, beyond which the set then cannot grow. What it uses
// otherwise takes longer for each look-up (docs/performance.md).
func (k setKind) hasFixedSize() bool { return !k.isInterval() && k.keyType().Bytes == 4 }

// makeRoom sets the sizes of new sets, and counts what comes and goes in all that
// have one. It returns the name of a set that has no room for that, or "".
func (m *mirror) makeRoom(t *transaction) string {
	for _, name := range t.deleteSets {
		delete(m.rooms, name)
	}
	for i := range t.addSets {
		s := &t.addSets[i]
		if s.kind.hasFixedSize() {
			streamed := t.streams[s.name].count
			s.size = max(minimumRoom, roomFactor*(len(t.addElements[s.name])+len(t.earlyElements[s.name])+streamed))
			m.rooms[s.name] = &room{used: streamed, size: s.size}
		}
	}
	touched := map[string]struct{}{}
	for _, sets := range []map[string][]element{t.earlyElements, t.addElements, t.removeElements, t.lateElements} {
		addKeys(touched, sets)
	}
	outgrown := ""
	for name := range touched {
		if r := m.rooms[name]; r != nil && !r.take(len(t.earlyElements[name]), len(t.addElements[name]), len(t.removeElements[name]), len(t.lateElements[name])) {
			outgrown = max(outgrown, name)
		}
	}
	return outgrown
}

// take counts the elements of a transaction, and reports whether there is room in
// each of its steps. Within a step elements go before others come.
func (r *room) take(early, added, removed, late int) bool {
	before := r.used + early
	change := before - removed + added
	r.used = change - late
	return max(before, change) <= r.size
}
