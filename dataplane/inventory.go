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
// takes over a table that is there. What is of the right type is emptied and
// filled anew instead of deleted and created: packets on their way through the
// old chains still find their sets, and no hook is ever without rules.
func (t *transaction) takeOver(found *inventory) {
	t.addTable = true
	t.newTable = len(found.chains)+len(found.sets) == 0
	t.takeOverChains(found)
	t.takeOverSets(found)
}

func (t *transaction) takeOverChains(found *inventory) {
	for name := range found.chains {
		t.flushChains = append(t.flushChains, name)
	}
	wanted := t.addChains
	t.addChains = nil
	for _, c := range wanted {
		there, ok := found.chains[c.name]
		if ok && sameChain(there, c.definition(ownTable())) {
			delete(found.chains, c.name)
			continue
		}
		t.addChains = append(t.addChains, c)
	}
	for name := range found.chains {
		t.deleteChains = append(t.deleteChains, name)
	}
}

func (t *transaction) takeOverSets(found *inventory) {
	wanted := t.addSets
	t.addSets = nil
	for _, s := range wanted {
		there, ok := found.sets[s.name]
		if ok && sameSet(there, s.kind.definition(ownTable(), s.name)) {
			t.flushSets = append(t.flushSets, s.name)
			delete(found.sets, s.name)
			continue
		}
		t.addSets = append(t.addSets, s)
	}
	for name := range found.sets {
		// Its elements may refer to chains that are deleted before it is gone.
		t.deleteSets = append(t.deleteSets, name)
	}
}

func sameChain(a, b *nftables.Chain) bool {
	return same(a.Hooknum, b.Hooknum) && same(a.Priority, b.Priority) && same(a.Policy, b.Policy) && a.Type == b.Type
}

// sameSet compares types. google/nftables loses the key type of verdict maps
// when it reads them.
func sameSet(a, b *nftables.Set) bool {
	if a.Interval != b.Interval || a.IsMap != b.IsMap || a.Concatenation != b.Concatenation ||
		a.Constant || a.Dynamic || a.HasTimeout || a.Size != 0 {
		return false
	}
	if b.DataType.Name == nftables.TypeVerdict.Name {
		return a.KeyType.Name == nftables.TypeVerdict.Name
	}
	return a.KeyType.GetNFTMagic() == b.KeyType.GetNFTMagic() && a.DataType.GetNFTMagic() == b.DataType.GetNFTMagic()
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
