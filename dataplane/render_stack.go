// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// renderStack returns a stack's chains and maps, all but the elements of its
// rows map, which are kept element by element.
//
// All rows but the default one share one map for single ports, one for ranges
// and one for the rest, with the row's number in the key: a row costs elements,
// not chains and sets, so thousands of different rows stay cheap.
func renderStack(s *ruleset.Stack) (piece, error) {
	b := stackBuilder{
		stack: s,
		ports: newSet(portsMap(s), kindRowPorts), ranges: newSet(rangesMap(s), kindRowRanges), rest: newSet(restMap(s), kindRowRest),
	}
	for id := range s.Table {
		if id == 0 {
			continue
		}
		if err := b.addRow(id); err != nil {
			return piece{}, fmt.Errorf("stack %s of %v: row %d: %w", s.ID, s.Policies, id, err)
		}
	}
	b.piece.sets = append(b.piece.sets, newSet(rowsMap(s), kindRows))
	b.addChains()
	return b.piece, nil
}

type stackBuilder struct {
	stack               *ruleset.Stack
	ports, ranges, rest set
	piece               piece
}

// addChains adds the stack's own chain, which finds the row of the peer's class
// or else decides as the default row, and the chain that decides as the other
// rows. Row numbers take the place of the class in the packet's priority, so the
// class is looked up anew by every stack that needs it.
func (b *stackBuilder) addChains() {
	c := chain{name: stackChain(b.stack)}
	if len(b.stack.Table) > 1 {
		class := chainClassOfSource
		if b.stack.Direction == ruleset.Egress {
			class = chainClassOfDestination
		}
		c.rules = append(c.rules,
			rule{exprs: []expr.Any{jump(class)}, comment: b.comment()},
			rule{exprs: append(setRow(rowsMap(b.stack)), goTo(rowsChain(b.stack)))},
		)
		b.addRowsChain()
	}
	c.rules = append(c.rules, b.defaultRow()...)
	b.piece.chains = append(b.piece.chains, c)
}

// addRowsChain adds the chain that decides by row number, protocol and port. No
// match ends it, and with it the stack.
func (b *stackBuilder) addRowsChain() {
	c := chain{name: rowsChain(b.stack)}
	if len(b.ports.elements) > 0 {
		c.rules = append(c.rules, rule{exprs: rowPortVmap(b.ports.name)})
		b.piece.sets = append(b.piece.sets, b.ports)
	}
	if len(b.ranges.elements) > 0 {
		c.rules = append(c.rules, rule{exprs: rowPortVmap(b.ranges.name)})
		b.piece.sets = append(b.piece.sets, b.ranges)
	}
	if len(b.rest.elements) > 0 {
		c.rules = append(c.rules, rule{exprs: rowVmap(b.rest.name)})
		b.piece.sets = append(b.piece.sets, b.rest)
	}
	b.piece.chains = append(b.piece.chains, c)
}

// comment names the policies of the stack, as many as fit.
func (b *stackBuilder) comment() string {
	names := make([]string, 0, len(b.stack.Policies))
	for _, key := range b.stack.Policies {
		names = append(names, key.String())
	}
	return shorten(printable(strings.Join(names, " ")), commentLimit)
}

// addRow enters what a row other than the default one decides.
func (b *stackBuilder) addRow(id ruleset.RowID) error {
	n, err := numberOf(uint32(id))
	if err != nil {
		return err
	}
	row := b.stack.Table[id]
	b.addPorts(row.Ports, string(n[:]), b.ports, b.ranges)
	if row.Rest != nil {
		b.rest.add(element{elementKey: elementKey{key: string(n[:])}, verdict: b.verdict(row.Rest)})
	}
	return nil
}

// addPorts enters decisions about ports, under keys that begin with prefix.
func (b *stackBuilder) addPorts(decisions []ruleset.PortDecision, prefix string, ports, ranges set) {
	for _, p := range decisions {
		e := element{elementKey: elementKey{key: prefix + portKey(p.Protocol, p.First)}, verdict: b.verdict(p.Decision)}
		if p.First == p.Last {
			ports.add(e)
		} else {
			e.keyEnd = prefix + portKey(p.Protocol, p.Last)
			ranges.add(e)
		}
	}
}

// defaultRow returns the rules of the default row, and sees to its maps.
func (b *stackBuilder) defaultRow() []rule {
	row := b.stack.Table[0]
	ports, ranges := newSet(defaultPortsMap(b.stack), kindPorts), newSet(defaultRangesMap(b.stack), kindRanges)
	b.addPorts(row.Ports, "", ports, ranges)
	var rules []rule
	for _, s := range []set{ports, ranges} {
		if len(s.elements) > 0 {
			b.piece.sets = append(b.piece.sets, s)
			rules = append(rules, rule{exprs: portVmap(s.name)})
		}
	}
	if row.Rest != nil {
		rest := b.verdict(row.Rest)
		rules = append(rules, rule{exprs: []expr.Any{&rest}})
	}
	return rules
}

// verdict returns what carries a decision out; no match asks the next tier.
func (b *stackBuilder) verdict(d *ruleset.Decision) expr.Verdict {
	if d == nil {
		return expr.Verdict{Kind: expr.VerdictReturn}
	}
	b.piece.decisions = append(b.piece.decisions, *d)
	return *goTo(decisionChain(*d))
}

// portKey is a protocol and port as registers hold them: each field padded to
// four bytes.
func portKey(protocol ruleset.Protocol, port uint16) string {
	key := []byte{byte(protocol), 0, 0, 0}
	key = binary.BigEndian.AppendUint16(key, port)
	return string(append(key, 0, 0))
}
