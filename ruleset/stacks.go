// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
)

// compiledRule is a rule with its peers as features and its decision interned.
type compiledRule struct {
	decision *Decision
	// any rules match every peer; features are then not set.
	any      bool
	features []*feature
	// ports is nil if the rule matches all traffic.
	ports []Port
}

// compiledRules are a policy's rules of one direction. They are kept while
// stacks use them.
type compiledRules struct {
	rules []compiledRule
	uses  int
}

// stackRule is a rule in its place in a stack, named ports of the subject
// resolved.
type stackRule struct {
	compiledRule
	// all rules match all traffic of their peers.
	all bool
}

// stackRules are the compiled rules of a stack's policies.
type stackRules struct {
	compiled []*compiledRules
	// rules are in the order of precedence; the rest refers to positions here.
	rules     []stackRule
	byFeature map[*feature][]int
	// always are the positions of the rules that match every peer.
	always []int
	// names are the named ports egress rules ask for.
	names map[string]struct{}
	// isolating is the decision where no rule of an isolating stack matches.
	isolating *Decision
}

func newStackRules() stackRules {
	return stackRules{byFeature: map[*feature][]int{}, names: map[string]struct{}{}}
}

// stackState is a stack as the compiler keeps it.
type stackState struct {
	stackRules
	public   *Stack
	number   uint32
	key      stackKey
	policies []*policyState
	ports    []NamedPort
	// uses counts the subjects that have the stack.
	uses    int
	touched bool
	// outdated stacks have all of their rows worked out when they are compiled.
	outdated bool
	// affected are the classes whose rows may differ since the stack was compiled,
	// apart from those that changed themselves; nil is all.
	affected map[*class]struct{}
	// domains says that some rule has a domain name as peer.
	domains bool
	table   rowTable
}

func (c *Compiler) newStack(d Direction, t Tier) *stackState {
	n := c.stackNumbers.take()
	public := &Stack{Direction: d, Tier: t, Rows: map[ClassID]RowID{}, Table: map[RowID]Row{}}
	public.ID = StackID(fmt.Sprintf("%s-%s-%d", tierLetters(t), directionLetters(d), n))
	s := &stackState{stackRules: newStackRules(), public: public, number: n, table: newRowTable()}
	c.stacks[public.ID] = s
	c.ruleset.Stacks[public.ID] = public
	return s
}

func tierLetters(t Tier) string { return [...]string{"admin", "np", "baseline"}[t] }

func directionLetters(d Direction) string { return [...]string{"in", "out"}[d] }

// is reports whether the stack is the wanted one. A nil stack is none.
func (s *stackState) is(w *wantedStack) bool {
	return s != nil && s.key == w.key && slices.Equal(s.policies, w.policies)
}

// assign makes the stack the wanted one and has it compiled.
func (c *Compiler) assign(s *stackState, w *wantedStack) {
	c.unfile(s)
	for _, p := range s.policies {
		p.stacks.remove(s)
	}
	s.outdated = s.outdated || !slices.Equal(s.ports, w.ports)
	s.key, s.policies, s.ports = w.key, slices.Clone(w.policies), w.ports
	for _, p := range s.policies {
		p.stacks.add(s)
	}
	c.stacksByKey[s.key] = append(c.stacksByKey[s.key], s)
	c.touchStack(s)
}

// unfile takes the stack out of stacksByKey.
func (c *Compiler) unfile(s *stackState) {
	list := slices.DeleteFunc(c.stacksByKey[s.key], func(x *stackState) bool { return x == s })
	if len(list) == 0 {
		delete(c.stacksByKey, s.key)
		return
	}
	c.stacksByKey[s.key] = list
}

func (c *Compiler) touchStack(s *stackState) {
	if !s.touched {
		s.touched = true
		c.touchedStacks = append(c.touchedStacks, s)
	}
}

// useStack counts subjects of a stack; nil is no stack.
func (c *Compiler) useStack(s *stackState, by int) {
	if s == nil {
		return
	}
	if s.uses == 0 {
		s.outdated = true // it was not kept up to date while nobody used it
		c.touchStack(s)
	}
	if s.uses += by; s.uses == 0 {
		c.unusedStacks = append(c.unusedStacks, s)
	}
}

// compileStacks compiles the touched stacks. The features they ask for are live
// only once settleFeatures has run.
func (c *Compiler) compileStacks() {
	c.touchedStacks = slices.DeleteFunc(c.touchedStacks, func(s *stackState) bool {
		if s.uses == 0 {
			s.touched = false
		}
		return s.uses == 0
	})
	for _, s := range c.touchedStacks {
		old := s.stackRules
		s.stackRules = newStackRules()
		c.compile(s)
		s.affected = s.affectedSince(&old)
		c.releaseRules(s, &old)
	}
}

// affectedSince returns the classes whose rows may differ from those of the old
// rules; nil is all. What a policy decides about others, whose rules are as they
// were and in the same order, does not depend on the rules that changed.
func (s *stackState) affectedSince(old *stackRules) map[*class]struct{} {
	if s.outdated || s.isolating != old.isolating {
		s.outdated = false
		return nil
	}
	affected := map[*class]struct{}{}
	for _, rules := range changedRules(old.compiled, s.compiled) {
		for _, r := range rules.rules {
			if r.any || slices.ContainsFunc(r.features, (*feature).universal) {
				return nil
			}
			for _, f := range r.features {
				addAll(affected, f.classes.all())
			}
		}
	}
	return affected
}

// changedRules returns what is in only one of two lists. What is in both is in
// the same order: policies that changed are compiled anew.
func changedRules(a, b []*compiledRules) []*compiledRules {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return sets.New(a...).SymmetricDifference(sets.New(b...)).UnsortedList()
}

// retireStacks removes the stacks that no subject has and reports whether there
// were any. Until then they decide as they did, for packets that found them
// before.
func (c *Compiler) retireStacks() bool {
	retired := false
	for _, s := range c.unusedStacks {
		if s.uses == 0 && c.stacks[s.public.ID] == s {
			c.retire(s)
			retired = true
		}
	}
	c.unusedStacks = nil
	return retired
}

func (c *Compiler) retire(s *stackState) {
	c.unfile(s)
	for _, p := range s.policies {
		p.stacks.remove(s)
	}
	delete(c.stacks, s.public.ID)
	delete(c.ruleset.Stacks, s.public.ID)
	delete(c.staleRows, s)
	delete(c.redundant, s)
	c.delta.Stacks[s.public.ID] = struct{}{}
	for k := range s.public.Rows {
		mark(c.delta.Rows, s.public.ID, k)
	}
	for id := range s.public.Table {
		if id != 0 {
			mark(c.delta.Tables, s.public.ID, id)
		}
	}
	c.stackNumbers.give(s.number)
	old := s.stackRules
	s.stackRules = newStackRules()
	c.releaseRules(s, &old)
}

// compile works out the stack's rules from its policies. What the stack held
// before is released by the caller, afterwards, so that what stays in use is
// never let go in between.
func (c *Compiler) compile(s *stackState) {
	d := s.public.Direction
	policies := make([]PolicyKey, 0, len(s.policies))
	for _, p := range s.policies {
		policies = append(policies, p.policy.Key)
		rules := c.rulesOf(p, d)
		rules.uses++
		s.compiled = append(s.compiled, rules)
		for _, r := range rules.rules {
			s.addRule(r)
		}
		if p.policy.Isolates[d] && s.isolating == nil {
			s.isolating = c.decisions.acquire(Decision{
				Action: Deny, Tier: s.public.Tier, Direction: d, Policy: p.policy.Key, Rule: DefaultDeny,
			})
		}
	}
	for f := range s.byFeature {
		f.stacks.add(s)
		c.useFeature(f, 1)
	}
	for name := range s.names {
		c.portName(name).stacks[s] = struct{}{}
	}
	c.noteDomains(s)
	if !slices.Equal(policies, s.public.Policies) {
		s.public.Policies = policies
		c.delta.Stacks[s.public.ID] = struct{}{}
	}
}

// noteDomains has the stack's subjects listed anew if they begin or cease to
// depend on domain names.
func (c *Compiler) noteDomains(s *stackState) {
	domains := false
	for f := range s.byFeature {
		domains = domains || f.kind == domainFeature
	}
	if domains == s.domains {
		return
	}
	s.domains = domains
	for _, subject := range c.subjects {
		if subject.stacks[s.public.Direction][s.public.Tier] != s {
			continue
		}
		for p := range subject.pods {
			c.touchSubjectAddresses(p.addresses)
		}
	}
}

// addRule puts a rule at the end of the stack's list.
func (s *stackState) addRule(r compiledRule) {
	rule := stackRule{compiledRule: r, all: r.ports == nil}
	if s.public.Direction == Ingress {
		rule.ports = resolve(r.ports, s.ports)
	}
	position := len(s.rules)
	s.rules = append(s.rules, rule)
	if r.any {
		s.always = append(s.always, position)
	}
	for _, f := range r.features {
		s.byFeature[f] = append(s.byFeature[f], position)
	}
	for _, p := range rule.ports {
		if p.Name != "" {
			s.names[p.Name] = struct{}{}
		}
	}
}

// resolve replaces named ports by the numbers they have in ports.
func resolve(ports []Port, named []NamedPort) []Port {
	resolved := make([]Port, 0, len(ports))
	for _, p := range ports {
		if p.Name == "" {
			resolved = append(resolved, p)
			continue
		}
		for _, n := range named {
			if n.Name == p.Name && (p.Protocol == AnyProtocol || p.Protocol == n.Protocol) {
				resolved = append(resolved, Port{Protocol: n.Protocol, First: n.Port, Last: n.Port})
			}
		}
	}
	return resolved
}

// releaseRules lets go what a stack held before it was compiled anew or retired.
func (c *Compiler) releaseRules(s *stackState, old *stackRules) {
	for f := range old.byFeature {
		c.useFeature(f, -1)
		if s.byFeature[f] == nil {
			f.stacks.remove(s)
		}
	}
	for name := range old.names {
		if _, still := s.names[name]; !still {
			delete(c.portName(name).stacks, s)
		}
	}
	for _, rules := range old.compiled {
		c.dropRules(rules)
	}
	if old.isolating != nil {
		c.decisions.release(old.isolating)
	}
}

// rulesOf returns the policy's compiled rules, compiling them if the policy
// changed or no stack used them so far.
func (c *Compiler) rulesOf(p *policyState, d Direction) *compiledRules {
	if p.rules[d] != nil && p.rules[d].uses > 0 {
		return p.rules[d]
	}
	compiled := &compiledRules{rules: make([]compiledRule, 0, len(p.policy.Rules[d]))}
	for i := range p.policy.Rules[d] {
		compiled.rules = append(compiled.rules, c.compileRule(p.policy, d, &p.policy.Rules[d][i]))
	}
	p.rules[d] = compiled
	return compiled
}

func (c *Compiler) compileRule(p *Policy, d Direction, r *Rule) compiledRule {
	compiled := compiledRule{any: len(r.Peers) == 0, ports: r.Ports}
	if len(r.Ports) == 0 {
		compiled.ports = nil
	}
	compiled.decision = c.decisions.acquire(Decision{
		Action: r.Action, Tier: p.Tier, Direction: d, Policy: p.Key, Rule: r.Index, RuleName: r.Name, FailClosed: r.FailClosed,
	})
	for _, peer := range r.Peers {
		f := c.features.peerFeature(peer)
		if !slices.Contains(compiled.features, f) {
			compiled.features = append(compiled.features, f)
		}
	}
	return compiled
}

// dropRules takes back one use of compiled rules.
func (c *Compiler) dropRules(rules *compiledRules) {
	if rules.uses--; rules.uses > 0 {
		return
	}
	for _, r := range rules.rules {
		c.decisions.release(r.decision)
	}
}
