// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"strings"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// Of the maps that the rows of a stack share: by single port, by port range, and
// for what is left.
const (
	byPort = iota
	byRange
	byRest
	rowMapCount
)

// rowMaps returns the stack's maps of rows, without elements.
func rowMaps(s *ruleset.Stack) [rowMapCount]set {
	return [rowMapCount]set{
		byPort:  newSet(portsMap(s), kindRowPorts),
		byRange: newSet(rangesMap(s), kindRowRanges),
		byRest:  newSet(restMap(s), kindRowRest),
	}
}

// renderedRow is what a row other than the default one is rendered to.
type renderedRow struct {
	elements  [rowMapCount][]element
	decisions []ruleset.Decision
}

// renderTableRow returns the elements of a row other than the default one. All
// those of a stack share their maps, with the row's number in the key: a row costs
// elements, not chains and sets, so thousands of different rows stay cheap.
func renderTableRow(id ruleset.RowID, row ruleset.Row) (renderedRow, error) {
	n, err := numberOf(uint32(id))
	if err != nil {
		return renderedRow{}, err
	}
	var r renderedRow
	key := string(n[:])
	r.elements[byPort], r.elements[byRange] = r.decisionsOfPorts(row.Ports, key)
	if row.Rest != nil {
		r.elements[byRest] = []element{{elementKey: elementKey{key: key}, verdict: r.verdict(row.Rest)}}
	}
	return r, nil
}

// decisionsOfPorts returns the elements, under keys that begin with prefix, of
// decisions about single ports and about ranges.
func (r *renderedRow) decisionsOfPorts(decisions []ruleset.PortDecision, prefix string) (ports, ranges []element) {
	for _, p := range decisions {
		e := element{elementKey: elementKey{key: prefix + portKey(p.Protocol, p.First)}, verdict: r.verdict(p.Decision)}
		if p.First == p.Last {
			ports = append(ports, e)
		} else {
			e.keyEnd = prefix + portKey(p.Protocol, p.Last)
			ranges = append(ranges, e)
		}
	}
	return ports, ranges
}

// verdict returns what carries a decision out; no match asks the next tier.
func (r *renderedRow) verdict(d *ruleset.Decision) expr.Verdict {
	if d == nil {
		return expr.Verdict{Kind: expr.VerdictReturn}
	}
	r.decisions = append(r.decisions, *d)
	return *goTo(decisionChain(*d))
}

// renderStack returns a stack's chains and maps, of which those of rows have as
// many elements as sizes says. The elements themselves are kept one by one, all but those
// of the default row.
//
// The stack's own chain finds the row of the peer's class or else decides as the
// default row. Row numbers take the place of the class in the packet's priority, so
// the class is looked up anew by every stack that needs it.
func renderStack(s *ruleset.Stack, maps [rowMapCount]set, sizes [rowMapCount]int) piece {
	p := piece{sets: []set{newSet(rowsMap(s), kindRows)}}
	c := chain{name: stackChain(s)}
	if len(s.Table) > 1 {
		class := chainClassOfSource
		if s.Direction == ruleset.Egress {
			class = chainClassOfDestination
		}
		c.rules = append(c.rules,
			rule{exprs: []expr.Any{jump(class)}, comment: stackComment(s)},
			rule{exprs: append(setRow(rowsMap(s)), goTo(rowsChain(s)))},
		)
		p.addRowsChain(s, maps, sizes)
	}
	c.rules = append(c.rules, p.addDefaultRow(s)...)
	p.chains = append(p.chains, c)
	return p
}

// addRowsChain adds the chain that decides by row number, protocol and port, and
// its maps. No match ends it, and with it the stack.
func (p *piece) addRowsChain(s *ruleset.Stack, maps [rowMapCount]set, sizes [rowMapCount]int) {
	c := chain{name: rowsChain(s), optional: true}
	for kind, m := range maps {
		if sizes[kind] == 0 {
			continue
		}
		match := rowPortVmap(m.name)
		if kind == byRest {
			match = rowVmap(m.name)
		}
		c.rules = append(c.rules, rule{exprs: match})
		p.sets = append(p.sets, m)
	}
	p.chains = append(p.chains, c)
}

// stackComment names the policies of the stack, as many as fit.
func stackComment(s *ruleset.Stack) string {
	var names strings.Builder
	for _, key := range s.Policies {
		if names.Len() > commentLimit {
			break
		}
		if names.Len() > 0 {
			names.WriteString(" ")
		}
		names.WriteString(key.String())
	}
	return shorten(printable(names.String()), commentLimit)
}

// addDefaultRow adds the maps of the default row and returns its rules.
func (p *piece) addDefaultRow(s *ruleset.Stack) []rule {
	var row renderedRow
	ports, ranges := newSet(defaultPortsMap(s), kindPorts), newSet(defaultRangesMap(s), kindRanges)
	single, several := row.decisionsOfPorts(s.Table[0].Ports, "")
	ports.add(single...)
	ranges.add(several...)
	var rules []rule
	for _, m := range []set{ports, ranges} {
		if len(m.elements) > 0 {
			p.sets = append(p.sets, m)
			rules = append(rules, rule{exprs: portVmap(m.name)})
		}
	}
	if s.Table[0].Rest != nil {
		rest := row.verdict(s.Table[0].Rest)
		rules = append(rules, rule{exprs: []expr.Any{&rest}})
	}
	p.decisions = row.decisions
	return rules
}

// portKey is a protocol and port as registers hold them: each field padded to
// four bytes.
func portKey(protocol ruleset.Protocol, port uint16) string {
	key := []byte{byte(protocol), 0, 0, 0}
	key = binary.BigEndian.AppendUint16(key, port)
	return string(append(key, 0, 0))
}
