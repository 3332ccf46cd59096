// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/ruleset"
)

// Canonical is a Ruleset without the numbers that it happened to give to
// classes, rows and stacks: equal states have equal Canonicals. A class is
// called by the first address or range that has it.
type Canonical struct {
	Subjects  map[netip.Addr]CanonicalSubject
	Endpoints map[netip.Addr]string
	Networks  []string
	// Stacks is how many stacks there are, in use or not.
	Stacks int
}

// CanonicalSubject is a subject with the content of its stacks.
type CanonicalSubject struct {
	Pod     string
	Stacks  [2][ruleset.TierCount]CanonicalStack
	Domains bool
}

// CanonicalStack is a stack with the row of each class written out.
type CanonicalStack struct {
	Policies []ruleset.PolicyKey
	Rows     map[string]string
	// Entries and Table are how many entries and rows there are. A class that has
	// only addresses of a block that other blocks cover has an entry, too.
	Entries, Table int
}

// CanonicalOf returns the canonical form of a Ruleset. An error means that the
// Ruleset contradicts its own documentation.
func CanonicalOf(rs *ruleset.Ruleset) (*Canonical, error) {
	names := classNames(rs)
	c := &Canonical{Subjects: map[netip.Addr]CanonicalSubject{}, Endpoints: map[netip.Addr]string{}, Stacks: len(rs.Stacks)}
	for address, class := range rs.Endpoints {
		c.Endpoints[address] = names[class]
	}
	for _, n := range rs.Networks {
		c.Networks = append(c.Networks, fmt.Sprintf("%s-%s %s", n.First, n.Last, names[n.Class]))
	}
	stacks := map[ruleset.StackID]CanonicalStack{"": {}}
	for id, s := range rs.Stacks {
		canonical, err := canonicalStack(s, names)
		if err != nil {
			return nil, fmt.Errorf("stack %s: %w", id, err)
		}
		stacks[id] = canonical
	}
	for address, s := range rs.Subjects {
		subject := CanonicalSubject{Pod: s.Pod, Domains: s.Domains}
		for d, tiers := range s.Stacks {
			for tier, id := range tiers {
				stack, ok := stacks[id]
				if !ok {
					return nil, fmt.Errorf("subject %s has stack %q, which does not exist", address, id)
				}
				subject.Stacks[d][tier] = stack
			}
		}
		c.Subjects[address] = subject
	}
	return c, nil
}

// classNames calls each class by its first member.
func classNames(rs *ruleset.Ruleset) map[ruleset.ClassID]string {
	names := map[ruleset.ClassID]string{}
	for _, n := range rs.Networks {
		if _, named := names[n.Class]; !named {
			names[n.Class] = fmt.Sprintf("%s-%s", n.First, n.Last)
		}
	}
	for _, address := range slices.SortedFunc(maps.Keys(rs.Endpoints), netip.Addr.Compare) {
		if class := rs.Endpoints[address]; names[class] == "" {
			names[class] = address.String()
		}
	}
	return names
}

func canonicalStack(s *ruleset.Stack, names map[ruleset.ClassID]string) (CanonicalStack, error) {
	c := CanonicalStack{Policies: s.Policies, Rows: map[string]string{}, Entries: len(s.Rows), Table: len(s.Table)}
	if _, ok := s.Table[0]; !ok {
		return c, fmt.Errorf("no default row")
	}
	used := map[ruleset.RowID]bool{0: true}
	for class, row := range s.Rows {
		if _, ok := s.Table[row]; !ok || row == 0 {
			return c, fmt.Errorf("class %d has row %d, which is the default or not there", class, row)
		}
		used[row] = true
	}
	if len(used) != len(s.Table) {
		return c, fmt.Errorf("%d rows, of which %d are used", len(s.Table), len(used))
	}
	for class, name := range names {
		c.Rows[name] = rowText(s.Table[s.Rows[class]])
	}
	return c, nil
}

func rowText(r ruleset.Row) string {
	text := ""
	for _, p := range r.Ports {
		text += fmt.Sprintf("%s %d-%d: %s\n", p.Protocol, p.First, p.Last, decisionText(p.Decision))
	}
	return text + "rest: " + decisionText(r.Rest)
}

func decisionText(d *ruleset.Decision) string {
	if d == nil {
		return "no match"
	}
	return fmt.Sprintf("%+v", *d)
}
