// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"maps"
	"slices"
)

// rowTable interns the rows of one stack by their content.
type rowTable struct {
	ids  map[string]RowID
	uses map[RowID]int
	keys map[RowID]string
	free idPool[RowID]
	// stale are rows that lost their last use and may have none.
	stale []RowID
	// defaultKey is the content of row 0.
	defaultKey string
}

func newRowTable() rowTable {
	return rowTable{ids: map[string]RowID{}, uses: map[RowID]int{}, keys: map[RowID]string{}}
}

// rowFor works out the row of the addresses with these features; without any, only
// the rules for every peer match.
func (s *stackState) rowFor(c *Compiler, features signature) Row {
	positions := slices.Clone(s.always)
	var named []*feature
	for _, id := range features {
		f := c.features.byID[id]
		if f.kind == portFeature {
			named = append(named, f)
			continue
		}
		positions = append(positions, s.byFeature[f]...)
	}
	slices.Sort(positions)
	ports := newPortMap()
	for _, position := range slices.Compact(positions) {
		rule := &s.rules[position]
		if rule.all {
			return ports.row(rule.decision)
		}
		for _, p := range rule.ports {
			ports.claimNamed(p, named, rule.decision)
		}
	}
	return ports.row(s.isolating)
}

// claimNamed is claimPort for a port that may be a name, to be looked up in
// what the peer's named ports are.
func (m *portMap) claimNamed(p Port, named []*feature, decision *Decision) {
	if p.Name == "" {
		m.claimPort(p, decision)
		return
	}
	for _, f := range named {
		for _, r := range resolve([]Port{p}, f.ports) {
			m.claimPort(r, decision)
		}
	}
}

// buildRows works out the rows of a stack that was compiled.
func (c *Compiler) buildRows(s *stackState) {
	s.touched = false
	if s.affected == nil {
		c.buildAllRows(s)
	}
	for k := range s.affected {
		c.setRow(s, k)
	}
	s.affected = nil
}

func (c *Compiler) buildAllRows(s *stackState) {
	var features signature
	if c.universal(s) != nil {
		features = signature{c.universal(s).id}
	}
	c.setDefault(s, s.rowFor(c, features))
	classes := map[ClassID]*class{}
	for f := range s.byFeature {
		if !f.universal() {
			addClasses(classes, &f.classes)
		}
	}
	for name := range s.names {
		for f := range c.portName(name).features {
			addClasses(classes, &f.classes)
		}
	}
	if c.universal(s) != nil {
		for _, k := range c.classes {
			if !k.features.has(c.universal(s).id) {
				classes[k.id] = k
			}
		}
	}
	for id := range maps.Clone(s.public.Rows) {
		if classes[id] == nil {
			c.setDefaultRow(s, id)
		}
	}
	for _, k := range classes {
		c.setRow(s, k)
	}
}

func addClasses(to map[ClassID]*class, from *smallSet[*class]) {
	for k := range from.all() {
		to[k.id] = k
	}
}

// universal returns the feature of every pod, if the stack asks for it: then
// the default row is that of pods nothing else is known of, so that pods need no
// entry for it.
func (c *Compiler) universal(s *stackState) *feature {
	f := c.features.byKey[universalKey]
	if f == nil || s.byFeature[f] == nil {
		return nil
	}
	return f
}

// updateRows works out the rows of a class that changed, in the stacks that
// can tell and are concerned.
func (c *Compiler) updateRows(change classChange, concerned func(*stackState) bool) {
	stacks := map[*stackState]struct{}{}
	add := func(f *feature) {
		if f.kind == portFeature {
			maps.Copy(stacks, c.portName(f.ports[0].Name).stacks)
			return
		}
		addAll(stacks, f.stacks.all())
	}
	universal := c.features.byKey[universalKey]
	for _, id := range change.class.features {
		f := c.features.byID[id]
		if (change.isNew && f != universal) || (!change.isNew && !change.before.has(id)) {
			add(f)
		}
	}
	for _, id := range change.before {
		if !change.class.features.has(id) {
			add(c.features.byID[id])
		}
	}
	if universal != nil && change.isNew && !change.class.features.has(universal.id) {
		add(universal)
	}
	for s := range stacks {
		if concerned(s) {
			c.setRow(s, change.class)
		}
	}
}

// setDefault sets row 0 of the stack.
func (c *Compiler) setDefault(s *stackState, row Row) {
	key := rowKey(row, c.decisions.number)
	if _, there := s.public.Table[0]; there && s.table.defaultKey == key {
		return
	}
	s.table.defaultKey = key
	s.public.Table[0] = row
	c.delta.Stacks[s.public.ID] = struct{}{}
}

// setRow works out the row of class k and files it.
func (c *Compiler) setRow(s *stackState, k *class) {
	row := s.rowFor(c, k.features)
	key := rowKey(row, c.decisions.number)
	if key == s.table.defaultKey {
		c.setDefaultRow(s, k.id)
		return
	}
	c.fileRow(s, k.id, key, row)
}

// setDefaultRow gives a class the default row. One that had another keeps an
// entry, of the same content, until garbage is collected: the default row is in
// the rules, of which a packet sees those from before a commit to its end, while
// it sees the maps as they are.
func (c *Compiler) setDefaultRow(s *stackState, k ClassID) {
	if _, had := s.public.Rows[k]; !had {
		return
	}
	c.fileRow(s, k, s.table.defaultKey, s.public.Table[0])
	c.redundant[s] = append(c.redundant[s], k)
}

// dropRedundantRows removes the entries of classes that have the default row.
func (c *Compiler) dropRedundantRows() {
	for s, classes := range c.redundant {
		for _, k := range classes {
			if id, there := s.public.Rows[k]; there && s.table.keys[id] == s.table.defaultKey {
				c.unsetRow(s, k)
			}
		}
	}
	clear(c.redundant)
}

// fileRow gives class k a row of its own content, which is row, by its key.
func (c *Compiler) fileRow(s *stackState, k ClassID, key string, row Row) {
	old, had := s.public.Rows[k]
	if had && s.table.keys[old] == key {
		return
	}
	id := s.table.ids[key]
	if id == 0 {
		id = s.table.free.take()
		s.table.ids[key], s.table.keys[id] = id, key
		s.public.Table[id] = row
		mark(c.delta.Tables, s.public.ID, id)
	}
	s.table.uses[id]++
	s.public.Rows[k] = id
	mark(c.delta.Rows, s.public.ID, k)
	if had {
		c.releaseRow(s, old)
	}
}

// unsetRow removes the class's entry.
func (c *Compiler) unsetRow(s *stackState, k ClassID) {
	if id, had := s.public.Rows[k]; had {
		delete(s.public.Rows, k)
		mark(c.delta.Rows, s.public.ID, k)
		c.releaseRow(s, id)
	}
}

// releaseRow takes one use of a row back. A row without uses stays in the Table
// until garbage is collected, for packets that found its number before.
func (c *Compiler) releaseRow(s *stackState, id RowID) {
	if s.table.uses[id]--; s.table.uses[id] == 0 {
		s.table.stale = append(s.table.stale, id)
		c.staleRows[s] = struct{}{}
	}
}

// dropStaleRows removes the rows that no class has any more.
func (c *Compiler) dropStaleRows() {
	for s := range c.staleRows {
		for _, id := range s.table.stale {
			if uses, there := s.table.uses[id]; !there || uses > 0 {
				continue
			}
			delete(s.table.ids, s.table.keys[id])
			delete(s.table.keys, id)
			delete(s.table.uses, id)
			delete(s.public.Table, id)
			s.table.free.give(id)
			mark(c.delta.Tables, s.public.ID, id)
		}
		s.table.stale = nil
	}
	clear(c.staleRows)
}
