// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"slices"
)

// policyLists are ordered policies by direction and tier.
type policyLists [2][TierCount][]*policyState

// before orders the policies of a tier by precedence.
func (p *policyState) before(q *policyState) int {
	return cmp.Or(cmp.Compare(p.policy.Priority, q.policy.Priority), p.policy.Key.Compare(q.policy.Key))
}

// add puts the policy at the end of the lists it belongs in.
func (l *policyLists) add(p *policyState) {
	for d := range l {
		if p.policy.Applies(Direction(d)) {
			l[d][p.policy.Tier] = append(l[d][p.policy.Tier], p)
		}
	}
}

// mergeAdded puts the policies that were added in their places.
func (s *subjectState) mergeAdded() {
	for d := range s.added {
		for t, added := range s.added[d] {
			if len(added) > 0 {
				slices.SortFunc(added, (*policyState).before)
				s.policies[d][t] = merge(s.policies[d][t], added)
			}
		}
	}
	s.added = policyLists{}
}

// merge returns the policies of two ordered lists in order. It fills a from the
// end, and leaves alone what comes before all of b.
func merge(a, b []*policyState) []*policyState {
	end := len(a)
	a = append(a, b...)
	for i := len(b) - 1; i >= 0; i-- {
		at, _ := slices.BinarySearchFunc(a[:end], b[i], (*policyState).before)
		copy(a[at+i+1:], a[at:end])
		a[at+i] = b[i]
		end = at
	}
	return a
}

// remove takes the policy out of the lists and reports whether it was there.
func (l *policyLists) remove(p *policyState) bool {
	removed := false
	for d := range l {
		for t := range l[d] {
			if i := slices.Index(l[d][t], p); i >= 0 {
				l[d][t] = slices.Delete(l[d][t], i, i+1)
				removed = true
			}
		}
	}
	return removed
}

// all returns the policies of all lists, those that apply in both directions twice.
func (l *policyLists) all() []*policyState {
	return slices.Concat(slices.Concat(l[Ingress][:], l[Egress][:])...)
}

// matchSubject collects the policies that select a fresh subject.
func (c *Compiler) matchSubject(s *subjectState) {
	s.fresh = false
	s.policies, s.added = policyLists{}, policyLists{}
	c.policySubjects.each(c.subjectView(s), s.added.add)
}
