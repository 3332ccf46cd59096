// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
)

// subjectKey is all that policies can tell about a local pod as their subject.
type subjectKey struct {
	namespace *namespaceState
	labels    *labelSet
	ports     *portSet
}

// subjectState is shared by the local pods with equal keys.
type subjectState struct {
	key  subjectKey
	pods map[*podState]struct{}
	// policies select the subject, in the order of precedence; added do too, and
	// are not among them yet.
	policies, added policyLists
	stacks          [2][TierCount]*stackState
	// fresh subjects have not been matched with the policies yet.
	fresh   bool
	touched bool
}

// policyState is a policy as the compiler keeps it. Its address stands for the
// policy's key, so it outlives changes of the policy.
type policyState struct {
	// number is one that no other policy ever has.
	number [8]byte
	policy *Policy
	// portNames are the named ports of its ingress rules.
	portNames []string
	// rules are the compiled rules per direction, while stacks use them.
	rules [2]*compiledRules
	// stacks have the policy in them.
	stacks smallSet[*stackState]
}

// subjectFor gives a local pod its subjectState, or takes it away if the pod
// is gone or not local.
func (c *Compiler) subjectFor(p *podState, local bool) {
	var want *subjectState
	if local {
		key := subjectKey{p.namespace, p.labels, p.ports}
		want = c.subjects[key]
		if want == nil {
			want = &subjectState{key: key, pods: map[*podState]struct{}{}}
			c.subjects[key] = want
			p.namespace.subjects[want] = struct{}{}
			c.refreshSubject(want)
		}
	}
	if p.subject == want {
		return
	}
	if old := p.subject; old != nil {
		delete(old.pods, p)
		c.touchSubject(old)
	}
	p.subject = want
	if want != nil {
		want.pods[p] = struct{}{}
	}
}

func (c *Compiler) touchSubject(s *subjectState) {
	if !s.touched {
		s.touched = true
		c.touchedSubjects = append(c.touchedSubjects, s)
	}
}

// refreshSubject has the subject matched with all policies anew.
func (c *Compiler) refreshSubject(s *subjectState) {
	s.fresh = true
	c.touchSubject(s)
}

// subjectView is what policies see of the subject.
func (c *Compiler) subjectView(s *subjectState) podView {
	return podView{
		namespace:       s.key.namespace.name,
		namespaceLabels: s.key.namespace.labels,
		podLabels:       s.key.labels.labels,
		node:            c.nodes[c.nodeName],
	}
}

// replacePolicy sets a policy, or forgets it if now is nil, for all subjects, and
// announces what it will ask for.
func (c *Compiler) replacePolicy(key PolicyKey, now *Policy) {
	p := c.policies[key]
	if p == nil {
		if now == nil {
			return
		}
		c.lastPolicy++
		p = &policyState{}
		binary.LittleEndian.PutUint64(p.number[:], c.lastPolicy)
		c.policies[key] = p
	}
	c.deselectSubjects(p)
	p.policy, p.rules, p.portNames = now, [2]*compiledRules{}, nil
	for st := range p.stacks.all() {
		c.touchStack(st)
	}
	if now == nil {
		delete(c.policies, key)
		return
	}
	p.portNames = portNames(now.Rules[Ingress])
	c.selectSubjects(p)
}

// deselectSubjects takes the policy from the subjects that it selects.
func (c *Compiler) deselectSubjects(p *policyState) {
	if p.policy == nil || p.policy.Subject == nil {
		return
	}
	c.policySubjects.remove(p.policy.Subject, p)
	for _, s := range c.subjects {
		if inPlace, added := s.policies.remove(p), s.added.remove(p); inPlace || added {
			c.touchSubject(s)
		}
	}
}

// selectSubjects adds the policy to the subjects that it selects.
func (c *Compiler) selectSubjects(p *policyState) {
	if p.policy.Subject == nil {
		return
	}
	c.policySubjects.add(p.policy.Subject, p)
	selected := false
	for _, s := range c.subjects {
		if p.policy.Subject.matches(c.subjectView(s)) {
			s.added.add(p)
			c.touchSubject(s)
			selected = true
		}
	}
	if selected {
		c.announce(p.policy)
	}
}

// announce holds the features that the policy's stacks will ask for, so that they
// can be live before the stacks change.
func (c *Compiler) announce(p *Policy) {
	for _, peer := range p.peers() {
		c.hold(peer)
	}
	for _, name := range portNames(p.Rules[Egress]) {
		c.portName(name).announced = true
	}
}

// announceNetworks matches fresh subjects, and holds and returns the networks that
// policies speak of which have no stack, and select a subject that will come under
// one.
func (c *Compiler) announceNetworks() []*feature {
	var networks []*feature
	seen := map[*policyState]struct{}{}
	for _, s := range c.touchedSubjects {
		if !s.fresh || len(s.pods) == 0 {
			continue
		}
		c.matchSubject(s)
		for _, p := range s.added.all() {
			if _, again := seen[p]; again || p.stacks.len() > 0 {
				continue
			}
			seen[p] = struct{}{}
			for _, peer := range p.policy.peers() {
				if peer.Net != nil {
					networks = append(networks, c.hold(peer))
				}
			}
		}
	}
	return networks
}

// hold keeps the feature that stands for a peer in use until withdrawAnnounced.
func (c *Compiler) hold(peer Peer) *feature {
	f := c.features.peerFeature(peer)
	c.useFeature(f, 1)
	c.announced = append(c.announced, f)
	return f
}

// withdrawAnnounced lets go of what was announced, now that stacks hold it.
func (c *Compiler) withdrawAnnounced() {
	for _, f := range c.announced {
		c.useFeature(f, -1)
	}
	c.announced = nil
	for _, n := range c.portNames {
		n.announced = false
	}
}

// stackKey finds the stack with the wanted policies. The hash is of the policies
// in their order; whoever finds a stack by it compares them.
type stackKey struct {
	direction Direction
	tier      Tier
	policies  uint64
	// ports are the ingress subject's numbers for the named ports in use.
	ports string
}

// wantedStack is what a subject wants to be judged by.
type wantedStack struct {
	key      stackKey
	policies []*policyState
	ports    []NamedPort
}

// stackMove is a subject that wants another stack than it has.
type stackMove struct {
	subject *subjectState
	have    *stackState
	want    *wantedStack
	d       Direction
	t       Tier
}

// wanted returns the stack the subject wants, nil for none.
func (c *Compiler) wanted(s *subjectState, d Direction, t Tier) *wantedStack {
	policies := s.policies[d][t]
	if len(s.pods) == 0 || len(policies) == 0 {
		return nil
	}
	var hash maphash.Hash
	hash.SetSeed(c.seed)
	var names []string
	for _, p := range policies {
		_, _ = hash.Write(p.number[:]) // never fails, says its godoc
		if d == Ingress {
			names = append(names, p.portNames...)
		}
	}
	w := &wantedStack{key: stackKey{direction: d, tier: t, policies: hash.Sum64()}, policies: policies}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		w.ports = append(w.ports, s.key.ports.named(name)...)
	}
	w.key.ports = portsKey(w.ports)
	return w
}

// portNames returns the named ports that rules speak of.
func portNames(rules []Rule) []string {
	var names []string
	for _, r := range rules {
		for _, p := range r.Ports {
			if p.Name != "" {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// restack gives every touched subject the stacks it wants. A stack that all its
// subjects leave for the same new one goes on as that, so that its tables stay.
func (c *Compiler) restack() {
	moves := c.stackMoves()
	leaving := map[*stackState]map[stackKey]int{}
	for _, m := range moves {
		if m.have != nil && m.want != nil {
			if leaving[m.have] == nil {
				leaving[m.have] = map[stackKey]int{}
			}
			leaving[m.have][m.want.key]++
		}
	}
	r := newReplacer()
	for _, m := range moves {
		target := c.stackFor(m, leaving)
		if target == m.have {
			continue
		}
		if target != nil && target.uses == 0 {
			r.fresh[target] = struct{}{}
		}
		c.move(m.subject, m.have, target, m.d, m.t)
		r.moved(m.subject, m.d)
		r.left = append(r.left, m.have)
	}
	r.run(c)
}

// move gives the subject another stack; nil is none.
func (c *Compiler) move(subject *subjectState, from, to *stackState, d Direction, t Tier) {
	c.useStack(from, -1)
	c.useStack(to, 1)
	subject.stacks[d][t] = to
}

// stackMoves matches fresh subjects and lists what touched subjects want that
// they do not have. All pods of touched subjects are looked at again.
func (c *Compiler) stackMoves() []stackMove {
	var moves []stackMove
	for _, s := range c.touchedSubjects {
		s.touched = false
		if s.fresh {
			c.matchSubject(s)
		}
		s.mergeAdded()
		for _, d := range [...]Direction{Ingress, Egress} {
			for t := range TierCount {
				have, want := s.stacks[d][t], c.wanted(s, d, t)
				if (have == nil && want == nil) || (want != nil && have.is(want)) {
					continue
				}
				moves = append(moves, stackMove{s, have, want, d, t})
			}
		}
		for p := range s.pods {
			c.touchSubjectAddresses(p.addresses)
		}
		if len(s.pods) == 0 {
			delete(c.subjects, s.key)
			delete(s.key.namespace.subjects, s)
		}
	}
	c.touchedSubjects = c.touchedSubjects[:0]
	return moves
}

// stackFor returns the stack that a move leads to: one that is there, the one
// the subject has if it can go on as the wanted one, or a new one.
func (c *Compiler) stackFor(m stackMove, leaving map[*stackState]map[stackKey]int) *stackState {
	if m.want == nil {
		return nil
	}
	for _, s := range c.stacksByKey[m.want.key] {
		if s.is(m.want) {
			return s
		}
	}
	if m.have != nil && leaving[m.have][m.want.key] == m.have.uses {
		c.assign(m.have, m.want)
		return m.have
	}
	s := c.newStack(m.d, m.t)
	c.assign(s, m.want)
	return s
}

func (c *Compiler) touchSubjectAddresses(addresses []netip.Addr) {
	for _, a := range addresses {
		c.touchedSubjectAddresses[a] = struct{}{}
	}
}

// listSubjects brings the Ruleset's subjects up to date.
func (c *Compiler) listSubjects() {
	for a := range c.touchedSubjectAddresses {
		want, ok := c.subjectAt(a)
		have, had := c.ruleset.Subjects[a]
		if ok == had && (!ok || want == have) {
			continue
		}
		if ok {
			c.ruleset.Subjects[a] = want
		} else {
			delete(c.ruleset.Subjects, a)
		}
		c.delta.Subjects[a] = struct{}{}
	}
	clear(c.touchedSubjectAddresses)
}

// subjectAt returns what judges the address; false if nothing does.
func (c *Compiler) subjectAt(a netip.Addr) (Subject, bool) {
	e := c.endpoints[a]
	if e == nil || len(e.pods) == 0 || e.pods[0].subject == nil {
		return Subject{}, false
	}
	p := e.pods[0]
	subject, judged := Subject{Pod: p.namespace.name + "/" + p.name}, false
	for d := range subject.Stacks {
		for t := range subject.Stacks[d] {
			if s := p.subject.stacks[d][t]; s != nil {
				subject.Stacks[d][t] = s.public.ID
				subject.Domains = subject.Domains || s.domains
				judged = true
			}
		}
	}
	if !judged {
		return Subject{}, false
	}
	return subject, true
}
