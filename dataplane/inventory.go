// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
)

// inventory is what a table found in the kernel consists of: names and types,
// but not content.
type inventory struct {
	chains map[string]*nftables.Chain
	sets   map[string]*nftables.Set
}

// takeInventory lists the table as it is; a table that is not there is empty.
func takeInventory(conn *nftables.Conn) (*inventory, error) {
	found := &inventory{chains: map[string]*nftables.Chain{}, sets: map[string]*nftables.Set{}}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == TableName }) {
		return found, nil
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name == TableName {
			found.chains[c.Name] = c
		}
	}
	sets, err := conn.GetSets(ownTable())
	if err != nil {
		return nil, fmt.Errorf("list sets of table inet %s: %w", TableName, err)
	}
	for _, s := range sets {
		found.sets[s.Name] = s
	}
	return found, nil
}

// takeOver turns a transaction that builds the table from nothing into one that
// takes over a table that is there. All is written anew beside what is there, only
// the chains at hooks stay and get other rules: a packet goes the old way to its
// end or the new one, and neither changes under it. What is there goes last.
func (t *transaction) takeOver(found *inventory) {
	t.addTable = true
	if len(found.chains)+len(found.sets) == 0 {
		return
	}
	t.generation = found.generation() + 1
	wanted := t.addChains
	t.addChains = nil
	for _, c := range wanted {
		if there := found.chains[c.name]; c.hook != nil && there != nil {
			delete(found.chains, c.name)
			t.flushChains = append(t.flushChains, c.name)
			if sameChain(there, c.definition(ownTable())) {
				continue
			}
			t.deleteChains = append(t.deleteChains, c.name)
		}
		t.addChains = append(t.addChains, c)
	}
	t.oldChains, t.oldSets = sortedKeys(found.chains), sortedKeys(found.sets)
}

// generation returns the highest that is in a name.
func (i *inventory) generation() generation {
	highest := generation(0)
	for name := range i.chains {
		highest = max(highest, generationOf(name))
	}
	for name := range i.sets {
		highest = max(highest, generationOf(name))
	}
	return highest
}

func sameChain(a, b *nftables.Chain) bool {
	return same(a.Hooknum, b.Hooknum) && same(a.Priority, b.Priority) && same(a.Policy, b.Policy) && a.Type == b.Type
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
