// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// TestRandomRulesets applies random rulesets one after the other. Packets must
// fare as the evaluator says, also after the table's listing is loaded back, and
// the table must be the one that would be written from scratch.
func TestRandomRulesets(t *testing.T) {
	f := newFixture(t)
	previous := &ruleset.Ruleset{}
	f.apply(t, previous)
	rapid.Check(t, func(rt *rapid.T) {
		rs := randomRuleset().Draw(rt, "ruleset")
		if _, err := f.plane.Apply(t.Context(), rs, difference(previous, rs)); err != nil {
			rt.Fatal(err)
		}
		previous = rs
		if result, err := f.plane.Apply(t.Context(), rs, nil); err != nil || result != (Result{}) {
			rt.Fatalf("the delta left something to do: %+v, %v", result, err)
		}
		f.checkDecisions(rt, rs)
		changed := f.normalList(t)
		f.nft(t, "delete table inet tierwall; "+f.list(t), "-f", "-")
		f.checkDecisions(rt, rs)
		if _, err := f.plane.Resync(t.Context(), rs); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(f.normalList(t), changed); diff != "" {
			rt.Fatalf("the changed table is not the one from scratch (-want +got):\n%s", diff)
		}
	})
}

// difference returns the delta from one ruleset to another.
func difference(a, b *ruleset.Ruleset) *ruleset.Delta {
	d := &ruleset.Delta{
		Endpoints: different(a.Endpoints, b.Endpoints),
		Subjects:  different(a.Subjects, b.Subjects),
		Networks:  !slices.Equal(a.Networks, b.Networks),
		Stacks:    map[ruleset.StackID]struct{}{},
		Tables:    map[ruleset.StackID]map[ruleset.RowID]struct{}{},
		Rows:      map[ruleset.StackID]map[ruleset.ClassID]struct{}{},
	}
	none := &ruleset.Stack{}
	for id := range different(a.Stacks, b.Stacks) {
		was, is := a.Stacks[id], b.Stacks[id]
		if was == nil || is == nil || !cmp.Equal(was.Table[0], is.Table[0]) {
			d.Stacks[id] = struct{}{}
		}
		if was == nil {
			was = none
		}
		if is == nil {
			is = none
		}
		if table := different(was.Table, is.Table); len(table) > 0 {
			delete(table, 0)
			d.Tables[id] = table
		}
		if rows := different(was.Rows, is.Rows); len(rows) > 0 {
			d.Rows[id] = rows
		}
	}
	return d
}

// different returns the keys whose values are not equal.
func different[K comparable, V any](a, b map[K]V) map[K]struct{} {
	keys := map[K]struct{}{}
	addKeys(keys, a)
	addKeys(keys, b)
	for key := range keys {
		was, had := a[key]
		is, has := b[key]
		if had == has && cmp.Equal(was, is) {
			delete(keys, key)
		}
	}
	return keys
}

// normalList returns the table's chains and sets, sorted, without the values of
// counters and generations, and with chains in place of their numbers, which depend
// on what was there before. Elements are sorted too: the kernel lists those of interval maps in
// the order in which they came.
func (f *fixture) normalList(t *testing.T) []string {
	text := regexp.MustCompile(`packets \d+ bytes \d+`).ReplaceAllString(f.list(t), "counter")
	text = regexp.MustCompile(`\.g\d+\b`).ReplaceAllString(text, "")
	for _, chain := range regexp.MustCompile(`(\w+:\w+) : goto (pod/\w+/\w+)`).FindAllStringSubmatch(text, -1) {
		text = regexp.MustCompile(`("\S+") : `+chain[1]+`\b`).ReplaceAllString(text, "$1 : "+chain[2])
		text = strings.Replace(text, chain[1]+" : goto "+chain[2], chain[2], 1)
	}
	blocks := strings.Split(text, "\n\n")
	for i := range blocks {
		block := strings.TrimPrefix(strings.TrimRight(blocks[i], "}\n"), "table inet tierwall {\n")
		if !strings.HasPrefix(strings.TrimSpace(block), "chain") {
			elements := regexp.MustCompile(`,?\s*\n\s*|, | }`).Split(strings.Replace(block, "elements = { ", "\n", 1), -1)
			slices.Sort(elements)
			block = strings.Join(elements, "\n")
		}
		blocks[i] = block
	}
	slices.Sort(blocks)
	return blocks
}

// checkDecisions sends packets between all addresses and compares with the
// evaluator.
func (f *fixture) checkDecisions(t *rapid.T, rs *ruleset.Ruleset) {
	var packets []netnstest.Packet
	var want []netnstest.Port
	for _, src := range randomPeers() {
		for _, dst := range randomPeers() {
			for _, p := range randomPackets() {
				for i := range src {
					packet := netnstest.Packet{From: f.port(src[i]), Src: src[i], Dst: dst[i], Protocol: p.Protocol, DstPort: p.DstPort}
					if i == 1 && p.Protocol == protocolICMP {
						packet.Protocol = unix.IPPROTO_ICMPV6
					}
					packets = append(packets, packet)
					want = append(want, f.expect(rs, packet))
				}
			}
		}
	}
	got, err := f.Send(packets)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		if got[i] != want[i] {
			t.Errorf("packet %+v arrived at port %d, want %d", packets[i], got[i], want[i])
		}
	}
}

func (f *fixture) expect(rs *ruleset.Ruleset, p netnstest.Packet) netnstest.Port {
	if p.Src != p.Dst {
		for d, ends := range [2][2]netip.Addr{ruleset.Ingress: {p.Dst, p.Src}, ruleset.Egress: {p.Src, p.Dst}} {
			made := rs.Decide(ruleset.Direction(d), ends[0], ends[1], ruleset.Protocol(p.Protocol), p.DstPort)
			if made != nil && made.Action == ruleset.Deny {
				return netnstest.Nowhere
			}
		}
	}
	return f.port(p.Dst)
}

// randomPeers are both local pods, another node's pod, and two networks.
func randomPeers() []family {
	return []family{podA, podB, {netipAddr("10.1.0.1"), netipAddr("fd00:1::1")}, office, world}
}

func randomPackets() []netnstest.Packet {
	packets := []netnstest.Packet{{Protocol: protocolICMP}}
	for _, protocol := range ruleset.PortProtocols() {
		for port := range uint16(6) {
			packets = append(packets, netnstest.Packet{Protocol: uint8(protocol), DstPort: port})
		}
	}
	return packets
}

const randomClasses = 4

func randomRuleset() *rapid.Generator[*ruleset.Ruleset] {
	return rapid.Custom(func(t *rapid.T) *ruleset.Ruleset {
		rs := emptyRuleset()
		class := rapid.Map(rapid.Uint32Range(1, randomClasses), func(c uint32) ruleset.ClassID { return ruleset.ClassID(c) })
		for _, peer := range randomPeers() {
			for _, address := range peer {
				delete(rs.Endpoints, address)
				if rapid.Bool().Draw(t, "is endpoint") {
					rs.Endpoints[address] = class.Draw(t, "class of endpoint")
				}
			}
		}
		for i := range rs.Networks {
			rs.Networks[i].Class = class.Draw(t, "class of network")
		}
		for _, pod := range []family{podA, podB} {
			for _, d := range directions() {
				for tier := range ruleset.TierCount {
					if n := rapid.IntRange(0, 3).Draw(t, "stack"); n > 0 {
						judge(rs, pod, randomStack(t, ruleset.StackID(fmt.Sprintf("%s%s%d", lower(d), lower(tier), n)), d, tier))
					}
				}
			}
		}
		return rs
	})
}

func randomStack(t *rapid.T, id ruleset.StackID, d ruleset.Direction, tier ruleset.Tier) *ruleset.Stack {
	s := stack(id, d, tier, randomRow(t, d, tier))
	for class := ruleset.ClassID(1); class <= randomClasses; class++ {
		if rapid.Bool().Draw(t, "has a row") {
			withRow(s, class, randomRow(t, d, tier))
		}
	}
	return s
}

// randomRow cuts the ports 0 to 5 of each protocol into ranges.
func randomRow(t *rapid.T, d ruleset.Direction, tier ruleset.Tier) ruleset.Row {
	row := ruleset.Row{Rest: randomDecision(t, d, tier)}
	for _, protocol := range ruleset.PortProtocols() {
		for first := rapid.Uint16Range(0, 6).Draw(t, "first"); first < 6; {
			last := rapid.Uint16Range(first, 5).Draw(t, "last")
			row.Ports = append(row.Ports, ruleset.PortDecision{Protocol: protocol, First: first, Last: last, Decision: randomDecision(t, d, tier)})
			first = last + 1 + rapid.Uint16Range(0, 3).Draw(t, "gap")
		}
	}
	return row
}

func randomDecision(t *rapid.T, d ruleset.Direction, tier ruleset.Tier) *ruleset.Decision {
	action := rapid.SampledFrom(actions()).Draw(t, "action")
	if action == 0 {
		return nil
	}
	made := decision(d, tier, action)
	made.Rule = rapid.IntRange(0, 2).Draw(t, "rule")
	return made
}
