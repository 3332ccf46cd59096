// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// The tests here stand for faults that test/differential found.

// A pod that no policy applies to was named in the Delta whenever it was set.
func TestRepeatOfUnselectedPodChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.Update()
	w.SetPod(Pod{UID: "1", Namespace: "shop", Name: "web", Labels: labels.Set{"app": "web"}, Node: "here", Addresses: []netip.Addr{webAddress}})
	if d := w.Update(); !d.Empty() {
		t.Errorf("a repeat changed something: %+v", d)
	}
}

// A policy whose rules another one hides changes the list of a stack's policies,
// which people read in the kernel's table, but no decision.
func TestDeltaNamesStackWhosePoliciesChanged(t *testing.T) {
	w := newWorld(t)
	deny := func(name string) *Policy {
		p := &Policy{Key: PolicyKey{Name: name}, Subject: podsIn(t, "", "app=db")}
		p.Rules[Ingress] = []Rule{{Action: Deny}}
		return p
	}
	w.SetPolicy(deny("a"))
	w.Update()
	w.SetPolicy(deny("b"))
	d := w.Update()
	if want := slices.Collect(maps.Keys(w.Ruleset().Stacks)); len(want) != 1 || !maps.Equal(d.Stacks, map[StackID]struct{}{want[0]: {}}) {
		t.Errorf("stacks are %v, the Delta names %v", want, d.Stacks)
	}
}
