// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"iter"
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
	w.SetPod(Pod{Namespace: "shop", Name: "web", Labels: labels.Set{"app": "web"}, Node: "here", Addresses: []netip.Addr{webAddress}})
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

// A pod came under stacks that tell networks apart in the commit in which these were
// told apart. The kernel changes networks last in a commit, so for a moment the
// stacks judged by classes that they did not know, and dropped packets that neither
// the state before nor the one after drops.
func TestNetworksComeBeforeTheSubjectsOfTheirStacks(t *testing.T) {
	w := newWorld(t)
	deny := &Policy{Key: PolicyKey{Name: "a"}, Subject: podsIn(t, "", "app=late")}
	deny.Rules[Ingress] = []Rule{{Action: Deny, Peers: []Peer{{Net: &Network{CIDR: netip.MustParsePrefix("192.0.2.0/24")}}}}}
	w.SetPolicy(deny)
	w.Update()
	late := Pod{Namespace: "shop", Name: "late", Labels: labels.Set{"app": "late"}, Node: "here", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.200")}}
	for _, test := range []struct {
		name string
		do   func()
		// networks and subjects say in which commits these change.
		networks, subjects []bool
	}{
		{"the first pod of the stack", func() { w.SetPod(late) }, []bool{true, false, false}, []bool{false, true, false}},
		{"another pod of the stack", func() {
			another := late
			another.Name, another.Addresses = "another", []netip.Addr{netip.MustParseAddr("10.0.0.201")}
			w.SetPod(another)
		}, []bool{false, false}, []bool{true, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.do()
			var networks, subjects []bool
			for d := range w.Steps() {
				networks, subjects = append(networks, d.Networks), append(subjects, len(d.Subjects) > 0)
			}
			if !slices.Equal(networks, test.networks) || !slices.Equal(subjects, test.subjects) {
				t.Errorf("networks change in %v, subjects in %v; want %v and %v", networks, subjects, test.networks, test.subjects)
			}
		})
	}
}

// New labels bring a pod under a policy that denies what another pod denied it for
// its old labels. What the pod is to others and what judges it change together, also
// if the policy brings networks: between the one and the other the packet would pass.
func TestLabelsOfSubjectAndPeerChangeTogether(t *testing.T) {
	w := newWorld(t)
	deny := func(name string, subject *PodSelector, d Direction, peers ...Peer) {
		p := &Policy{Key: PolicyKey{Name: name}, Subject: subject}
		p.Rules[d] = []Rule{{Action: Deny, Peers: peers}}
		w.SetPolicy(p)
	}
	deny("old", podsIn(t, "", "app=web"), Ingress, Peer{Pods: podsIn(t, "", "app=late,version=1")})
	deny("new", podsIn(t, "", "app=late,version=2"), Egress,
		Peer{Pods: podsIn(t, "", "app=web")}, Peer{Net: &Network{CIDR: netip.MustParsePrefix("192.0.2.0/24")}})
	pod := Pod{Namespace: "shop", Name: "late", Node: "here", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.200")}}
	set := func(version string) {
		pod.Labels = labels.Set{"app": "late", "version": version}
		w.SetPod(pod)
	}
	denied := func(d Direction, subject, peer netip.Addr) bool {
		decision := w.Ruleset().Decide(d, subject, peer, TCP, 80)
		return decision != nil && decision.Action == Deny
	}
	check := func(when string) {
		t.Helper()
		if late := pod.Addresses[0]; !denied(Egress, late, webAddress) && !denied(Ingress, webAddress, late) {
			t.Errorf("%s the packet passes", when)
		}
	}
	set("1")
	w.Update()
	check("before")
	set("2")
	for range w.Steps() {
		check("in between or after")
	}
}

// Whoever leaves Steps early leaves pods touched, in groups of segments that may be
// gone by the next time. A review found a crash by that.
func TestStepsLeftEarly(t *testing.T) {
	w := newWorld(t)
	network := func(name, cidr string) {
		p := &Policy{Key: PolicyKey{Name: name}, Subject: podsIn(t, "", "app="+name)}
		p.Rules[Ingress] = []Rule{{Action: Deny, Peers: []Peer{{Net: &Network{CIDR: netip.MustParsePrefix(cidr)}}}}}
		w.SetPolicy(p)
	}
	// Repeated, a pod is touched and nothing changes.
	remote := func(subnet, third byte, from, to byte) {
		for n := from; n < to; n++ {
			address := netip.AddrFrom4([4]byte{10, subnet, third, n})
			w.SetPod(Pod{Namespace: "dev", Name: address.String(), Labels: labels.Set{"app": "r"}, Node: "there", Addresses: []netip.Addr{address}})
		}
	}
	local := func(app string, n byte) {
		w.SetPod(Pod{Namespace: "shop", Name: app, Labels: labels.Set{"app": app}, Node: "here", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 200, 0, n})}})
	}
	network("a", "10.9.0.0/24")
	network("b", "10.50.0.0/24")
	network("c", "10.9.0.48/29")
	remote(9, 0, 0, 56)
	remote(50, 0, 0, 30)
	remote(50, 1, 0, 30)
	w.Update()
	remote(9, 0, 0, 46)
	local("a", 1)
	leaveAfterFirst(w.Steps())
	remote(9, 0, 46, 56)
	local("b", 2)
	leaveAfterFirst(w.Steps())
	local("c", 3)
	for range w.Steps() {
	}
	for _, address := range []string{"10.9.0.1", "10.9.0.50", "10.50.0.1"} {
		var denied []string
		for n, app := range []string{"a", "b", "c"} {
			if d := w.Ruleset().Decide(Ingress, netip.AddrFrom4([4]byte{10, 200, 0, byte(n + 1)}), netip.MustParseAddr(address), TCP, 80); d != nil {
				denied = append(denied, app)
			}
		}
		if want := map[string][]string{"10.9.0.1": {"a"}, "10.9.0.50": {"a", "c"}, "10.50.0.1": {"b"}}[address]; !slices.Equal(denied, want) {
			t.Errorf("%s is denied by %v, want %v", address, denied, want)
		}
	}
}

func leaveAfterFirst(steps iter.Seq[*Delta]) {
	for range steps {
		return
	}
}
