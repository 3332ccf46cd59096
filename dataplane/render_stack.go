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
func renderStack(s *ruleset.Stack) (piece, error) {
	b := stackBuilder{stack: s, targets: newSet(targetsMap(s), kindTargets)}
	for id := range s.Table {
		if id == 0 {
			continue
		}
		if err := b.addTarget(id); err != nil {
			return piece{}, fmt.Errorf("stack %s of %v: row %d: %w", s.ID, s.Policies, id, err)
		}
	}
	b.piece.sets = append(b.piece.sets, newSet(rowsMap(s), kindRows), b.targets)
	b.piece.chains = append(b.piece.chains, b.chain())
	return b.piece, nil
}

type stackBuilder struct {
	stack   *ruleset.Stack
	targets set
	piece   piece
}

// chain returns the stack's own chain: the row of the peer's class, else the
// default row. Row numbers take the place of the class in the packet's
// priority, so the class is looked up anew by every stack that needs it.
func (b *stackBuilder) chain() chain {
	c := chain{name: stackChain(b.stack)}
	if len(b.stack.Table) > 1 {
		class := chainClassOfSource
		if b.stack.Direction == ruleset.Egress {
			class = chainClassOfDestination
		}
		c.rules = append(c.rules,
			rule{exprs: []expr.Any{jump(class)}, comment: b.comment()},
			rule{exprs: rowVmap(rowsMap(b.stack), targetsMap(b.stack))},
		)
	}
	c.rules = append(c.rules, b.row(0)...)
	return c
}

// comment names the policies of the stack, as many as fit.
func (b *stackBuilder) comment() string {
	names := make([]string, 0, len(b.stack.Policies))
	for _, key := range b.stack.Policies {
		names = append(names, key.String())
	}
	return shorten(printable(strings.Join(names, " ")), commentLimit)
}

// addTarget enters where a row's number leads: to a chain of its own if the row
// has ports, else directly to what it decides.
func (b *stackBuilder) addTarget(id ruleset.RowID) error {
	n, err := numberOf(uint32(id))
	if err != nil {
		return err
	}
	row := b.stack.Table[id]
	target := b.verdict(row.Rest)
	if len(row.Ports) > 0 {
		target = *goTo(rowChain(b.stack, id))
		b.piece.chains = append(b.piece.chains, chain{name: target.Chain, rules: b.row(id)})
	}
	b.targets.add(element{elementKey: elementKey{key: string(n[:])}, verdict: target})
	return nil
}

// row returns the rules of a row, and sees to its maps.
func (b *stackBuilder) row(id ruleset.RowID) []rule {
	row := b.stack.Table[id]
	ports, ranges := newSet(portsMap(b.stack, id), kindPorts), newSet(rangesMap(b.stack, id), kindRanges)
	for _, p := range row.Ports {
		e := element{elementKey: elementKey{key: portKey(p.Protocol, p.First)}, verdict: b.verdict(p.Decision)}
		if p.First == p.Last {
			ports.add(e)
		} else {
			e.keyEnd = portKey(p.Protocol, p.Last)
			ranges.add(e)
		}
	}
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
