// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset_test

import (
	"net/netip"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/ruleset"
)

// Two pods share a stack, and want different ones when the labels of their
// namespace change. Whichever the stack goes on for, a packet of the other that
// found it before must not meet rules that were never its own.
func TestLeftStackKeepsItsRules(t *testing.T) {
	for range 20 { // the order of subjects is random
		c := ruleset.NewCompiler("n")
		c.SetNode(ruleset.Node{Name: "n"})
		c.SetNamespace("a", labels.Set{"v": "1"})
		x := netip.MustParseAddr("10.0.0.1")
		c.SetPod(ruleset.Pod{Namespace: "a", Name: "x", Node: "n", Labels: labels.Set{"app": "x"}, Addresses: []netip.Addr{x}})
		c.SetPod(ruleset.Pod{Namespace: "a", Name: "y", Node: "n", Labels: labels.Set{"app": "y"}, Addresses: []netip.Addr{x.Next()}})
		c.SetPolicy(leftStackPolicy(t, "p1", "v=1", "", ruleset.Deny))
		c.SetPolicy(leftStackPolicy(t, "p2", "v=2", "app=x", ruleset.Deny))
		c.SetPolicy(leftStackPolicy(t, "p3", "v=2", "app=y", ruleset.Accept))
		c.Update()
		was := c.Ruleset().Subjects[x].Stacks[ruleset.Egress][ruleset.Admin]
		policies := c.Ruleset().Stacks[was].Policies
		c.SetNamespace("a", labels.Set{"v": "2"})
		for range c.Steps() {
			s := c.Ruleset().Stacks[was]
			if s != nil && c.Ruleset().Subjects[x].Stacks[ruleset.Egress][ruleset.Admin] != was && !slices.Equal(s.Policies, policies) {
				t.Fatalf("stack %s, which pod a/x left, has the rules of %v now", was, s.Policies)
			}
		}
	}
}

// leftStackPolicy is one about the egress of pods to 192.0.2.0/24.
func leftStackPolicy(t *testing.T, name, namespaces, pods string, action ruleset.Action) *ruleset.Policy {
	t.Helper()
	selector := func(s string) labels.Selector {
		parsed, err := labels.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	p := &ruleset.Policy{
		Key: ruleset.PolicyKey{Kind: ruleset.KindTierwall, Name: name}, Tier: ruleset.Admin,
		Subject: &ruleset.PodSelector{Namespaces: selector(namespaces), Pods: selector(pods)},
	}
	p.Rules[ruleset.Egress] = []ruleset.Rule{{
		Action: action,
		Peers:  []ruleset.Peer{{Net: &ruleset.Network{CIDR: netip.MustParsePrefix("192.0.2.0/24")}}},
	}}
	return p
}
