// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"slices"

	"github.com/tierwall/tierwall/ruleset"
)

// renumberedClasses are two rulesets that say the same, with the numbers of two
// classes swapped.
func renumberedClasses() []*ruleset.Ruleset {
	var rulesets []*ruleset.Ruleset
	for _, office := range []ruleset.ClassID{classOffice, classWorld} {
		rs := emptyRuleset()
		for i, n := range rs.Networks {
			switch n.Class {
			case classOffice:
				rs.Networks[i].Class = office
			case classWorld:
				rs.Networks[i].Class = classOffice + classWorld - office
			}
		}
		addEndpoints(rs, 10_000)
		judge(rs, podA, withRow(
			stack("out", ruleset.Egress, ruleset.Admin, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)}),
			office, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)}))
		rulesets = append(rulesets, rs)
	}
	return rulesets
}

// renumberedPods has another pod, which may send anything, before or after pod A.
func renumberedPods() []*ruleset.Ruleset {
	var rulesets []*ruleset.Ruleset
	for _, other := range []string{"9.0.0.1", "11.0.0.1"} {
		rs := emptyRuleset()
		denyAll(rs, podA, ruleset.Egress)
		free := stack("free", ruleset.Egress, ruleset.Baseline, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Baseline, ruleset.Accept)})
		rs.Stacks[free.ID] = free
		subject := ruleset.Subject{Pod: "shop/other"}
		subject.Stacks[ruleset.Egress][ruleset.Baseline] = free.ID
		rs.Subjects[netipAddr(other)] = subject
		rulesets = append(rulesets, rs)
	}
	return rulesets
}

// otherRanges has a class go from one row with ranges to another and back, while
// another row has ranges too.
func otherRanges(pods int) []*ruleset.Ruleset {
	return otherRows(pods, map[ruleset.RowID]ruleset.Row{2: denyingRange(1000, 2000), 3: denyingRange(1000, 3000)}, denyingRange(1, 9))
}

// firstRanges has a class go to the only row with ranges and back.
func firstRanges(pods int) []*ruleset.Ruleset {
	deny := ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)}
	return otherRows(pods, map[ruleset.RowID]ruleset.Row{2: deny, 3: denyingRange(1000, 2000)}, deny)
}

// otherRows has a class go from row 2 to row 3 and back, each time with a step
// after it that collects the garbage, while pods come and go. Another class has
// another row all the time.
func otherRows(pods int, rows map[ruleset.RowID]ruleset.Row, other ruleset.Row) []*ruleset.Ruleset {
	var rulesets []*ruleset.Ruleset
	for _, step := range []struct {
		row  ruleset.RowID
		rows []ruleset.RowID
	}{{2, []ruleset.RowID{2}}, {3, []ruleset.RowID{2, 3}}, {3, []ruleset.RowID{3}}, {2, []ruleset.RowID{2, 3}}} {
		rs := emptyRuleset()
		s := stack("out", ruleset.Egress, ruleset.Admin, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)})
		s.Table[1], s.Rows[20] = other, 1
		for _, id := range step.rows {
			s.Table[id] = rows[id]
		}
		s.Rows[classOffice] = step.row
		judge(rs, podA, s)
		if step.row == 3 {
			addEndpoints(rs, pods)
		}
		rulesets = append(rulesets, rs)
	}
	return rulesets
}

func denyingRange(first, last uint16) ruleset.Row {
	return ruleset.Row{
		Ports: []ruleset.PortDecision{{Protocol: ruleset.UDP, First: first, Last: last, Decision: decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)}},
		Rest:  decision(ruleset.Egress, ruleset.Admin, ruleset.Accept),
	}
}

// unlisted has an address that is listed since its network has another class, and
// is not listed any more when the network has the same, while pods come and go.
func unlisted(pods int) []*ruleset.Ruleset {
	listed, not := emptyRuleset(), emptyRuleset()
	listed.Endpoints[office[0]], listed.Endpoints[office[1]] = classWorld, classWorld
	not.Networks = slices.Clone(not.Networks)
	for i := range not.Networks {
		if not.Networks[i].Class == classOffice {
			not.Networks[i].Class = classWorld
		}
	}
	for _, address := range addEndpoints(not, pods) {
		not.Endpoints[address] = classPodB
	}
	for _, rs := range []*ruleset.Ruleset{listed, not} {
		judge(rs, podA, withRow(
			stack("out", ruleset.Egress, ruleset.Admin, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)}),
			classOffice, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)}))
	}
	return []*ruleset.Ruleset{listed, not}
}
