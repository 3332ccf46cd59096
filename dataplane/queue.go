// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"iter"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
)

// elementsPerMessage and bytesPerMessage bound one message; a netlink attribute
// holds 65,535 bytes.
const (
	elementsPerMessage = 1000
	bytesPerMessage    = 60000
)

// send sends the transaction, in up to three steps, and returns the count of
// messages.
func (t *transaction) send(conn *nftables.Conn) (int, error) {
	messages := 0
	for _, step := range t.steps() {
		if step.awaits {
			awaitPackets()
		}
		for batch := range step.batches() {
			n, err := batch.sendBatch(conn)
			messages += n
			if err != nil {
				return messages, err
			}
		}
	}
	return messages, nil
}

// sendBatch sends the transaction as one batch, in the order that the kernel
// needs.
func (t *transaction) sendBatch(conn *nftables.Conn) (int, error) {
	q := queue{conn: conn, table: ownTable(), generation: t.generation, ids: map[string]*nftables.Set{}}
	q.setUpTable(t)
	q.tearDown(t)
	q.buildUp(t)
	if q.err != nil {
		return 0, q.err
	}
	return q.messages, conn.Flush()
}

// queue fills a batch.
type queue struct {
	conn  *nftables.Conn
	table *nftables.Table
	// generation is in the names of all but old objects.
	generation generation
	ids        map[string]*nftables.Set
	messages   int
	err        error
}

func (q *queue) setUpTable(t *transaction) {
	if t.addTable {
		q.conn.AddTable(q.table)
		q.messages++
	}
	if t.wipeTable {
		q.conn.DelTable(q.table)
		q.conn.AddTable(q.table)
		q.messages += 2
	}
}

func (q *queue) tearDown(t *transaction) {
	for _, name := range slices.Sorted(slices.Values(t.flushChains)) {
		q.conn.FlushChain(q.chain(name))
		q.messages++
	}
	q.elements(t.removeElements, q.conn.SetDeleteElements)
	for _, name := range slices.Sorted(slices.Values(t.deleteSets)) {
		q.conn.DelSet(q.set(name))
		q.messages++
	}
	for _, name := range slices.Sorted(slices.Values(t.deleteChains)) {
		q.conn.DelChain(q.chain(name))
		q.messages++
	}
	q.deleteOld(t)
}

// deleteOld deletes sets between rules and chains: rules look them up, and their
// elements lead to chains.
func (q *queue) deleteOld(t *transaction) {
	for _, name := range t.oldChains {
		q.conn.FlushChain(&nftables.Chain{Table: q.table, Name: name})
	}
	for _, name := range t.oldSets {
		q.conn.DelSet(&nftables.Set{Table: q.table, Name: name})
	}
	for _, name := range t.oldChains {
		q.conn.DelChain(&nftables.Chain{Table: q.table, Name: name})
	}
	q.messages += 2*len(t.oldChains) + len(t.oldSets)
}

func (q *queue) buildUp(t *transaction) {
	for _, c := range t.addChains {
		definition := c.definition(q.table)
		definition.Name = q.generation.name(c.name)
		q.conn.AddChain(definition)
		q.messages++
	}
	for _, s := range t.addSets {
		definition := s.kind.definition(q.table, q.generation.name(s.name))
		definition.Size = uint32(s.size)
		q.fail(q.conn.AddSet(definition, nil))
		q.ids[s.name] = definition
		q.messages++
	}
	q.elements(t.addElements, q.conn.SetAddElements)
	for _, c := range t.addRules {
		for _, r := range c.rules {
			q.conn.AddRule(q.generation.rule(r).definition(q.chain(c.name)))
			q.messages++
		}
	}
}

func (q *queue) elements(sets map[string][]element, send func(*nftables.Set, []nftables.SetElement) error) {
	for _, name := range sortedKeys(sets) {
		for chunk := range chunks(sets[name], q.generation) {
			q.fail(send(q.set(name), chunk))
			q.messages++
		}
	}
}

// set returns a set to refer to; one of this batch has an ID.
func (q *queue) set(name string) *nftables.Set {
	if s := q.ids[name]; s != nil {
		return s
	}
	return &nftables.Set{Table: q.table, Name: q.generation.name(name)}
}

func (q *queue) chain(name string) *nftables.Chain {
	return &nftables.Chain{Table: q.table, Name: q.generation.name(name)}
}

func (q *queue) fail(err error) {
	if q.err == nil && err != nil {
		q.err = fmt.Errorf("write netlink message: %w", err)
	}
}

func ownTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName}
}

func (c chain) definition(table *nftables.Table) *nftables.Chain {
	definition := &nftables.Chain{Table: table, Name: c.name}
	if c.hook != nil {
		policy := nftables.ChainPolicyAccept
		definition.Hooknum, definition.Type = c.hook, nftables.ChainTypeFilter
		definition.Priority, definition.Policy = &c.priority, &policy
	}
	return definition
}

func (r rule) definition(c *nftables.Chain) *nftables.Rule {
	definition := &nftables.Rule{Table: c.Table, Chain: c, Exprs: r.exprs}
	if r.comment != "" {
		definition.UserData = userdata.AppendString(nil, userdata.TypeComment, r.comment)
	}
	return definition
}

// chunks splits elements so that each chunk fits into one message. A chunk is good
// until the next one is asked for.
func chunks(elements []element, g generation) iter.Seq[[]nftables.SetElement] {
	return func(yield func([]nftables.SetElement) bool) {
		chunk := make([]nftables.SetElement, 0, min(len(elements), elementsPerMessage))
		size := 0
		for _, e := range elements {
			if len(chunk) == elementsPerMessage || size+e.size() > bytesPerMessage {
				if !yield(chunk) {
					return
				}
				chunk, size = chunk[:0], 0
			}
			chunk = append(chunk, e.definition(g))
			size += e.size()
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// size is not below the element's size in a message.
func (e element) size() int {
	const attributes = 64
	return attributes + len(e.key) + len(e.keyEnd) + len(e.value) + len(e.verdict.Chain) + len(e.comment)
}

func (e element) definition(g generation) nftables.SetElement {
	definition := nftables.SetElement{Key: []byte(e.key), KeyEnd: []byte(e.keyEnd), IntervalEnd: e.intervalEnd, Val: []byte(e.value), Comment: e.comment}
	if e.verdict.Kind != 0 {
		definition.VerdictData = g.verdict(&e.verdict)
	}
	return definition
}
