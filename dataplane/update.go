// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"

	"github.com/tierwall/tierwall/ruleset"
)

// update brings a mirror to what a Ruleset says for the keys of a Delta, and
// collects what that changes in the kernel.
type update struct {
	*mirror
	rs          *ruleset.Ruleset
	transaction *transaction
	// anew says that the mirror is new, and so the table.
	anew bool
	// addresses are those of the endpoints to look at.
	addresses iter.Seq[netip.Addr]
	// before is how many elements and rules went to a decision that this update
	// touches.
	before map[ruleset.Decision]int
}

// update returns what changes in the kernel, by what delta names, or by everything
// if it is nil. After an error the mirror is of no use any more.
func (m *mirror) update(rs *ruleset.Ruleset, delta *ruleset.Delta) (*transaction, error) {
	u := update{mirror: m, rs: rs, transaction: newTransaction(), before: map[ruleset.Decision]int{}, anew: len(m.pieces) == 0}
	u.transaction.generation = m.generation
	if delta == nil {
		delta, u.addresses = m.everything(rs), m.allEndpoints(rs)
	} else {
		u.addresses = maps.Keys(delta.Endpoints)
	}
	u.setPiece(pieceBase, m.base)
	if len(delta.Subjects) > 0 {
		subjects, err := renderSubjects(rs, m.podChains)
		if err != nil {
			return nil, err
		}
		u.setPiece(pieceSubjects, subjects)
		u.setPiece(pieceDNS, renderDNS(rs, m.proxy))
	}
	for _, step := range []func(*ruleset.Delta) error{u.setStacks, u.setRows, u.setNetworks, u.setEndpoints} {
		if err := step(delta); err != nil {
			return nil, err
		}
	}
	u.settleDecisions()
	return u.transaction, nil
}

// setPiece replaces a piece; one without content goes.
func (u *update) setPiece(key string, to piece) {
	from := u.pieces[key]
	u.transaction.replacePiece(from, to)
	u.pieces[key] = to
	if len(to.chains)+len(to.sets) == 0 {
		delete(u.pieces, key)
	}
	u.countDecisions(to.decisions, +1)
	u.countDecisions(from.decisions, -1)
}

func (u *update) countDecisions(decisions []ruleset.Decision, by int) {
	for _, d := range decisions {
		if _, touched := u.before[d]; !touched {
			u.before[d] = u.decisions[d]
		}
		u.decisions[d] += by
	}
}

// settleDecisions sees to it that the decisions in use have their chains, and
// no others. Only those that came into use or fell out of it are looked at.
func (u *update) settleDecisions() {
	crossed := map[string]ruleset.Decision{}
	for d, before := range u.before {
		if (before > 0) != (u.decisions[d] > 0) {
			crossed[decisionChain(d)] = d
		}
		if u.decisions[d] == 0 {
			delete(u.decisions, d)
		}
	}
	for _, name := range sortedKeys(crossed) {
		d := crossed[name]
		from, to := piece{}, renderDecision(d)
		if u.decisions[d] == 0 {
			from, to = to, from
		}
		u.transaction.replacePiece(from, to)
	}
}

// setStacks comes before the rows, whose mirror it makes.
func (u *update) setStacks(delta *ruleset.Delta) error {
	touched := maps.Clone(delta.Stacks)
	addKeys(touched, delta.Tables)
	for _, id := range sortedKeys(touched) {
		if err := u.setStack(id, delta.Tables[id]); err != nil {
			return err
		}
	}
	return nil
}

// setStack brings a stack's chains and maps up to date, and the named rows of its
// Table.
func (u *update) setStack(id ruleset.StackID, rows map[ruleset.RowID]struct{}) error {
	stack, held := u.rs.Stacks[id], u.stacks[id]
	if stack == nil {
		u.dropStack(id)
		return nil
	}
	if held == nil {
		held = newStackMirror(stack)
		u.stacks[id] = held
	}
	for row := range rows {
		if err := u.setTableRow(stack, held, row); err != nil {
			return fmt.Errorf("stack %s of %v: row %d: %w", id, stack.Policies, row, err)
		}
	}
	u.setPiece(stackKey(id), renderStack(stack, held.maps, held.sizes))
	return nil
}

// dropStack removes a stack. Its maps go with their elements.
func (u *update) dropStack(id ruleset.StackID) {
	held := u.stacks[id]
	if held == nil {
		return
	}
	for row, content := range held.table {
		if rendered, err := renderTableRow(row, content); err == nil {
			u.countDecisions(rendered.decisions, -1)
		}
	}
	delete(u.stacks, id)
	u.setPiece(stackKey(id), piece{})
}

func stackKey(id ruleset.StackID) string { return "stack/" + string(id) }

// setTableRow brings the elements of one row of a stack's Table up to date.
func (u *update) setTableRow(stack *ruleset.Stack, held *stackMirror, id ruleset.RowID) error {
	var from, to renderedRow
	var err error
	was, had := held.table[id]
	if had {
		if from, err = renderTableRow(id, was); err != nil {
			return err
		}
		delete(held.table, id)
	}
	if row, has := stack.Table[id]; has {
		if to, err = renderTableRow(id, row); err != nil {
			return err
		}
		held.table[id] = row
	}
	for kind, m := range held.maps {
		switch _, has := stack.Table[id]; {
		case !had:
			u.transaction.addEarly(m.name, to.elements[kind]...)
		case !has:
			u.transaction.removeLate(m.name, from.elements[kind]...)
		default:
			u.transaction.replaceList(m, from.elements[kind], to.elements[kind])
		}
		held.sizes[kind] += len(to.elements[kind]) - len(from.elements[kind])
	}
	u.countDecisions(to.decisions, +1)
	u.countDecisions(from.decisions, -1)
	return nil
}

func (u *update) setRows(delta *ruleset.Delta) error {
	for id, classes := range delta.Rows {
		stack := u.rs.Stacks[id]
		if stack == nil {
			continue
		}
		held := u.stacks[id]
		if held == nil {
			return fmt.Errorf("stack %s of %v: the delta names its rows, but not the stack, which is new", id, stack.Policies)
		}
		for class := range classes {
			if err := u.setRow(stack, held, class); err != nil {
				return fmt.Errorf("stack %s of %v: class %d: %w", id, stack.Policies, class, err)
			}
		}
	}
	return nil
}

func (u *update) setRow(stack *ruleset.Stack, held *stackMirror, class ruleset.ClassID) error {
	was, had := held.rows[class]
	row, has := stack.Rows[class]
	if had == has && was == row {
		return nil
	}
	e, err := renderRow(class, row)
	if err != nil {
		return err
	}
	if had {
		delete(held.rows, class)
		u.transaction.remove(rowsMap(stack), e)
	}
	if has {
		held.rows[class] = row
		u.transaction.add(rowsMap(stack), e)
	}
	return nil
}

func (u *update) setNetworks(delta *ruleset.Delta) error {
	if !delta.Networks {
		return nil
	}
	desired := make(map[ruleset.NetworkRange]struct{}, len(u.rs.Networks))
	for _, n := range u.rs.Networks {
		desired[n] = struct{}{}
		if _, ok := u.networks[n]; ok {
			continue
		}
		elements, err := renderNetwork(n)
		if err != nil {
			return fmt.Errorf("network %s to %s: %w", n.First, n.Last, err)
		}
		u.transaction.add(networksMap(n), elements...)
	}
	for n := range u.networks {
		if _, ok := desired[n]; ok {
			continue
		}
		elements, err := renderNetwork(n)
		if err != nil {
			return err
		}
		u.transaction.remove(networksMap(n), elements...)
	}
	u.networks = desired
	return nil
}

// fillEndpoints is setEndpoints for a table that is written anew.
func (u *update) fillEndpoints() error {
	u.endpoints = make(map[netip.Addr]ruleset.ClassID, len(u.rs.Endpoints))
	maps.Copy(u.endpoints, u.rs.Endpoints)
	counts := map[string]int{}
	for address, class := range u.endpoints {
		number, err := numberOf(uint32(class))
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", address, err)
		}
		u.transaction.unreloadable = u.transaction.unreloadable || !isReloadable(string(number[:]))
		counts[endpointsMap(address)]++
	}
	for name, count := range counts {
		u.transaction.streams[name] = stream{count, u.endpointsIn(name)}
	}
	return nil
}

// endpointsIn renders the elements of one map of endpoints. All of them can be
// rendered.
func (m *mirror) endpointsIn(name string) iter.Seq[element] {
	return func(yield func(element) bool) {
		for address, class := range m.endpoints {
			if endpointsMap(address) != name {
				continue
			}
			if e, err := renderEndpoint(address, class); err == nil && !yield(e) {
				return
			}
		}
	}
}

func (u *update) setEndpoints(delta *ruleset.Delta) error {
	if u.anew {
		return u.fillEndpoints()
	}
	// An address that is not listed is looked up in two maps, which do not change
	// at the same moment. So where networks change it is listed before and unlisted
	// after; but not where pods change too, whose rules it must not meet before.
	apart := delta.Networks && len(delta.Subjects) == 0
	changing := map[ruleset.ClassID]struct{}{}
	if apart {
		for _, classes := range delta.Rows {
			addKeys(changing, classes)
		}
	}
	for address := range u.addresses {
		if err := u.setEndpoint(address, apart, changing); err != nil {
			return fmt.Errorf("endpoint %s: %w", address, err)
		}
	}
	return nil
}

// setEndpoint lists, changes or unlists an address, apart from the rest of the
// change if asked to. One whose class is among those whose rows are changing is not
// listed before them.
func (u *update) setEndpoint(address netip.Addr, apart bool, changing map[ruleset.ClassID]struct{}) error {
	was, had := u.endpoints[address]
	class, has := u.rs.Endpoints[address]
	if had == has && was == class {
		return nil
	}
	e, err := renderEndpoint(address, class)
	if err != nil {
		return err
	}
	name := endpointsMap(address)
	_, rowsChange := changing[class]
	switch {
	case !has && apart:
		u.transaction.removeLate(name, e)
	case !had && apart && !rowsChange:
		u.transaction.addEarly(name, e)
	default:
		if had {
			u.transaction.remove(name, e)
		}
		if has {
			u.transaction.add(name, e)
		}
	}
	if !has {
		delete(u.endpoints, address)
		return nil
	}
	u.endpoints[address] = class
	return nil
}
