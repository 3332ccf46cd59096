// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

// class is the addresses with one signature.
type class struct {
	id       ClassID
	features signature
	groups   smallSet[*group]
}

// classChange is a class whose rows have to be worked out: a new one, or one
// that goes on with another signature.
type classChange struct {
	class *class
	// before is the signature it had; unused if the class is new.
	before signature
	isNew  bool
}

// move is a group that has to change its class.
type move struct {
	group *group
	key   string
}

// classify gives every touched group the class of its signature. A class goes on
// under its ID with another signature where most of its addresses do, so that
// policies which tell no two of its members apart change no element.
func (c *Compiler) classify() []classChange {
	moves, signatures := c.plannedMoves()
	targets := c.targetClasses(moves, signatures)
	changes := c.rekey(targets, signatures)
	for _, m := range moves {
		c.join(m.group, targets[m.key])
	}
	return changes
}

// plannedMoves returns the groups whose signature is not that of their class,
// and the signatures by key.
func (c *Compiler) plannedMoves() ([]move, map[string]signature) {
	var moves []move
	signatures := map[string]signature{}
	for _, g := range c.touchedGroups {
		g.touched = false
		if !c.alive(g) {
			continue
		}
		s := signatureOfGroup(g)
		key := s.key()
		if g.class != nil && c.classes[g.class.features.key()] == g.class && g.class.features.key() == key {
			continue
		}
		signatures[key] = s
		moves = append(moves, move{g, key})
	}
	c.touchedGroups = c.touchedGroups[:0]
	return moves, signatures
}

// targetClasses decides which class each key of a move means. Classes that lose
// groups may go on as a class that is not there yet.
func (c *Compiler) targetClasses(moves []move, signatures map[string]signature) map[string]*class {
	leaving := map[*class]map[string]int{}
	groupsLeft := map[*class]int{}
	for _, m := range moves {
		old := m.group.class
		if old == nil {
			continue
		}
		if leaving[old] == nil {
			leaving[old] = map[string]int{}
			groupsLeft[old] = old.groups.len()
		}
		leaving[old][m.key] += 1 + len(m.group.endpoints)
		groupsLeft[old]--
	}
	common := map[keeperPair[string, *class]]int{}
	for old, keys := range leaving {
		if groupsLeft[old] > 0 {
			continue // it goes on as what it was
		}
		if len(keys) > 1 && !c.refining {
			continue // what is decided about some of them is not right for the others
		}
		for key, size := range keys {
			if c.classes[key] == nil || groupsEmptied(groupsLeft, c.classes[key]) {
				common[keeperPair[string, *class]{key, old}] = size
			}
		}
	}
	kept := keepers(common)
	targets := map[string]*class{}
	for key := range signatures {
		targets[key] = c.target(key, kept, groupsLeft)
	}
	return targets
}

// groupsEmptied reports whether all groups of the class move away.
func groupsEmptied(groupsLeft map[*class]int, k *class) bool {
	left, concerned := groupsLeft[k]
	return concerned && left == 0
}

// target is the class for one key: one that goes on as it, the one that is
// there and stays, or a new one.
func (c *Compiler) target(key string, kept map[string]*class, groupsLeft map[*class]int) *class {
	if k := kept[key]; k != nil {
		return k
	}
	if k := c.classes[key]; k != nil && !groupsEmptied(groupsLeft, k) {
		return k
	}
	return &class{id: c.classIDs.take()}
}

// rekey gives the target classes their signatures.
func (c *Compiler) rekey(targets map[string]*class, signatures map[string]signature) []classChange {
	var changes []classChange
	for key, k := range targets {
		if c.classes[key] == k {
			continue
		}
		changes = append(changes, classChange{class: k, before: k.features, isNew: k.groups.len() == 0})
		if before := k.features.key(); c.classes[before] == k {
			delete(c.classes, before)
		}
	}
	for _, change := range changes {
		for _, f := range change.before {
			c.features.byID[f].classes.remove(change.class)
		}
	}
	for key, k := range targets {
		if c.classes[key] == k {
			continue
		}
		k.features = signatures[key]
		c.displace(key)
		c.classes[key] = k
		for _, f := range k.features {
			c.features.byID[f].classes.add(k)
		}
	}
	return changes
}

// displace unfiles a class that all groups leave, so that another can have its
// signature.
func (c *Compiler) displace(key string) {
	if old := c.classes[key]; old != nil {
		delete(c.classes, key)
		c.staleClasses[old] = struct{}{}
	}
}

// join makes the group a member of class k and lists its addresses.
func (c *Compiler) join(g *group, k *class) {
	if old := g.class; old != k {
		if old != nil {
			old.groups.remove(g)
			c.staleClasses[old] = struct{}{}
		}
		g.class = k
		k.groups.add(g)
		if g == g.key.segment.network {
			c.relist[g.key.segment] = struct{}{}
		}
		c.unlisted = append(c.unlisted, g)
	}
}

// listAll lists the addresses that have another group, and those of groups that
// have another class or whose network has.
func (c *Compiler) listAll() {
	for s := range c.relist {
		c.networksChanged = true
		for g := range s.groups {
			c.unlisted = append(c.unlisted, g)
		}
	}
	clear(c.relist)
	for _, g := range c.unlisted {
		if !c.alive(g) {
			continue
		}
		for _, e := range g.endpoints {
			c.list(e)
		}
	}
	c.unlisted = c.unlisted[:0]
	for _, e := range c.regrouped {
		if e.group != nil {
			c.list(e)
		}
	}
	c.regrouped = c.regrouped[:0]
}

// dropStaleClasses gives back the classes that have no group any more. Until then
// their rows are kept up to date, for packets that found the class before its
// addresses left it.
func (c *Compiler) dropStaleClasses() {
	for k := range c.staleClasses {
		if k.groups.len() > 0 {
			continue
		}
		if key := k.features.key(); c.classes[key] == k {
			delete(c.classes, key)
		}
		for _, f := range k.features {
			c.features.byID[f].classes.remove(k)
		}
		for _, s := range c.stacks {
			c.unsetRow(s, k.id)
		}
		c.classIDs.give(k.id)
	}
	clear(c.staleClasses)
}

// idPool hands out numbers from 1, those given back first.
type idPool[T ~uint32] struct {
	free []T
	last T
}

func (p *idPool[T]) take() T {
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	p.last++
	return p.last
}

func (p *idPool[T]) give(id T) { p.free = append(p.free, id) }
