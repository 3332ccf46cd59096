// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"fmt"
	"net/netip"

	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// torn is what a packet can see that is under way while the kernel goes from one
// generation of the tables to the next: its first look-ups find the old one, the
// others the new one.
type torn struct {
	old, new *ruleset.Ruleset
	// left is how many look-ups still find the old generation.
	left int
}

// lookups is how many look-ups decide gets to: the subject, its peer's class, and
// for each tier the class's row, its ports, and what it says of the rest.
const lookups = 2 + 3*int(ruleset.TierCount)

// subjectFound is the look-up after which a packet has its subject's stacks. A
// commit right then is the one case that nothing can be done about: a change of
// labels of a namespace or node can change what judges a pod and what others are
// to it at once, and there is no way to look both up at once.
const subjectFound = 1

// next returns the generation that the next look-up finds.
func (t *torn) next() *ruleset.Ruleset {
	if t.left--; t.left >= 0 {
		return t.old
	}
	return t.new
}

// decide evaluates one direction as [ruleset.Ruleset.Decide] does.
func (t *torn) decide(d ruleset.Direction, subject, peer netip.Addr, protocol ruleset.Protocol, port uint16) *ruleset.Decision {
	stacks := t.next().Subjects[subject].Stacks[d]
	class := t.next().Class(peer)
	for _, id := range stacks {
		if id == "" {
			continue
		}
		decision := t.judge(id, class, protocol, port)
		if decision != nil && decision.Action != ruleset.Pass {
			return decision
		}
	}
	return nil
}

// judge asks one stack. The default row is in the rules, and a packet sees those of
// the generation that it started in to its end.
func (t *torn) judge(id ruleset.StackID, class ruleset.ClassID, protocol ruleset.Protocol, port uint16) *ruleset.Decision {
	row, explicit := t.stack(id).Rows[class]
	if !explicit {
		pinned := t.old.Stacks[id]
		if pinned == nil {
			pinned = t.new.Stacks[id]
		}
		standard := pinned.Table[0]
		return standard.Decide(protocol, port)
	}
	decision, found := inPorts(t.stack(id).Table[row], protocol, port)
	if rest := t.stack(id).Table[row].Rest; !found {
		return rest
	}
	return decision
}

// stack returns a stack of the next generation. Stacks come before they are used
// and go after.
func (t *torn) stack(id ruleset.StackID) *ruleset.Stack {
	if s := t.next().Stacks[id]; s != nil {
		return s
	}
	if s := t.old.Stacks[id]; s != nil {
		return s
	}
	return t.new.Stacks[id]
}

func inPorts(row ruleset.Row, protocol ruleset.Protocol, port uint16) (*ruleset.Decision, bool) {
	for _, p := range row.Ports {
		if p.Protocol == protocol && p.First <= port && port <= p.Last {
			return p.Decision, true
		}
	}
	return nil, false
}

// compareTorn demands of each packet that whatever it sees of two generations
// that follow one another, it is treated as in one of them.
func compareTorn(old, next *ruleset.Ruleset, packets []oracle.Packet) error {
	for _, p := range packets {
		for _, d := range []ruleset.Direction{ruleset.Ingress, ruleset.Egress} {
			subject, peer := p.Source, p.Destination
			if d == ruleset.Ingress {
				subject, peer = peer, subject
			}
			before := verdictOf(old.Decide(d, subject, peer, ruleset.Protocol(p.Protocol), p.Port))
			after := verdictOf(next.Decide(d, subject, peer, ruleset.Protocol(p.Protocol), p.Port))
			if before.Allowed != after.Allowed {
				continue
			}
			for left := subjectFound + 1; left < lookups; left++ {
				t := torn{old: old, new: next, left: left}
				got := verdictOf(t.decide(d, subject, peer, ruleset.Protocol(p.Protocol), p.Port))
				if got.Allowed != before.Allowed {
					return fmt.Errorf("%s: before %+v, after %+v, but %+v if a commit comes after look-up %d", p, before, after, got, left)
				}
			}
		}
	}
	return nil
}

// TearSteps takes a Compiler through the states and looks at every step between
// two generations of the tables with the eyes of packets that are under way.
func TearSteps(states []*oracle.Cluster, sample func(from, to *oracle.Cluster) []oracle.Packet) error {
	agent, before, after := NewAgent(), NewMirror(), NewMirror()
	from := &oracle.Cluster{}
	for i, state := range states {
		packets, rs := sample(from, state), agent.Compiler.Ruleset()
		for _, change := range agent.Changes(state) {
			change()
			for delta := range agent.Compiler.Steps() {
				after.Apply(rs, delta)
				if err := compareTorn(&before.Ruleset, &after.Ruleset, packets); err != nil {
					return fmt.Errorf("step %d on node %s: %w", i, gen.LocalNode, err)
				}
				before.Apply(rs, delta)
			}
		}
		from = state
	}
	return nil
}
