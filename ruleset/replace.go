// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

// replacer sees to it that a packet which found the stacks of its subject before
// an update is judged by them as they were, if the subject has others after it.
// Rules must not change in such a stack: it is left as it is, for garbage, and a
// new stack takes its place.
type replacer struct {
	// work are the subjects that have other stacks in a direction, of which
	// done were looked at.
	work []subjectDirection
	done map[subjectDirection]struct{}
	// left are stacks that some subject left; nil is none.
	left []*stackState
	// fresh are stacks that no packet can have found yet.
	fresh map[*stackState]struct{}
}

type subjectDirection struct {
	subject   *subjectState
	direction Direction
}

func newReplacer() *replacer {
	return &replacer{done: map[subjectDirection]struct{}{}, fresh: map[*stackState]struct{}{}}
}

// moved notes that the subject has other stacks than before.
func (r *replacer) moved(subject *subjectState, d Direction) {
	r.work = append(r.work, subjectDirection{subject, d})
}

func (r *replacer) run(c *Compiler) {
	for _, s := range r.left {
		r.replace(c, s)
	}
	for len(r.work) > 0 {
		next := r.work[len(r.work)-1]
		r.work = r.work[:len(r.work)-1]
		if _, done := r.done[next]; done {
			continue
		}
		r.done[next] = struct{}{}
		for _, s := range next.subject.stacks[next.direction] {
			r.replace(c, s)
		}
	}
}

// replace has a new stack take the place of one whose rules change. All its
// subjects have other stacks then.
func (r *replacer) replace(c *Compiler, s *stackState) {
	if s == nil || s.uses == 0 || !s.touched {
		return
	}
	if _, fresh := r.fresh[s]; fresh {
		return
	}
	d, t := s.public.Direction, s.public.Tier
	c.unfile(s)
	replacement := c.newStack(d, t)
	r.fresh[replacement] = struct{}{}
	c.assign(replacement, &wantedStack{key: s.key, policies: s.policies, ports: s.ports})
	for _, subject := range c.subjects {
		if subject.stacks[d][t] != s {
			continue
		}
		c.move(subject, s, replacement, d, t)
		r.moved(subject, d)
		for p := range subject.pods {
			c.touchSubjectAddresses(p.addresses)
		}
	}
}
