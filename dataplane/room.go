// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

// A set of fixed size is created with room for roomFactor times the elements that
// it has then, and for minimumRoom at least. The kernel takes 8 bytes for the room
// of an element.
const (
	roomFactor  = 2
	minimumRoom = 64
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
// have one. It reports whether there is room for that: elements that go need theirs
// until the whole transaction is done.
func (m *mirror) makeRoom(t *transaction) bool {
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
	enough := true
	m.eachRoom(func(r *room, elements int) {
		r.used += elements
		enough = enough && r.used <= r.size
	}, t.addElements, t.earlyElements)
	m.eachRoom(func(r *room, elements int) { r.used -= elements }, t.removeElements, t.lateElements)
	return enough
}

// eachRoom calls f for the sets of fixed size among those named.
func (m *mirror) eachRoom(f func(r *room, elements int), named ...map[string][]element) {
	for _, sets := range named {
		for name, elements := range sets {
			if r := m.rooms[name]; r != nil {
				f(r, len(elements))
			}
		}
	}
}
