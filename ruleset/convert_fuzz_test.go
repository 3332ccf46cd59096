// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/json"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// Objects come from outside: whatever their JSON says, conversion must neither
// fail nor let a rule through that was not understood.

func FuzzFromTierwall(f *testing.F) {
	addClusterSeeds(f)
	f.Fuzz(func(t *testing.T, manifest []byte) {
		o := &v1alpha1.ClusterNetworkPolicy{}
		if json.Unmarshal(manifest, o) != nil {
			return
		}
		p := FromTierwall(o)
		checkRules(t, p)
		checkFailClosed(t, p, Ingress, len(o.Spec.Ingress), func(i int) string { return string(o.Spec.Ingress[i].Action) })
		checkFailClosed(t, p, Egress, len(o.Spec.Egress), func(i int) string { return string(o.Spec.Egress[i].Action) })
	})
}

func FuzzFromUpstream(f *testing.F) {
	addClusterSeeds(f)
	f.Fuzz(func(t *testing.T, manifest []byte) {
		o := &upstream.ClusterNetworkPolicy{}
		if json.Unmarshal(manifest, o) != nil {
			return
		}
		p := FromUpstream(o)
		checkRules(t, p)
		checkFailClosed(t, p, Ingress, len(o.Spec.Ingress), func(i int) string { return string(o.Spec.Ingress[i].Action) })
		checkFailClosed(t, p, Egress, len(o.Spec.Egress), func(i int) string { return string(o.Spec.Egress[i].Action) })
	})
}

func FuzzFromNetworkPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"name":"a","namespace":"b"},"spec":{"podSelector":{},"ingress":[{}],"policyTypes":["Ingress"]}}`,
		`{"spec":{"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":80,"endPort":90}]}]}}`,
		`{"spec":{"ingress":[{"from":[{},{"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}],"ports":[{"port":"http"}]}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		o := &networkingv1.NetworkPolicy{}
		if json.Unmarshal(manifest, o) != nil {
			return
		}
		p := FromNetworkPolicy(o)
		checkRules(t, p)
		for d, rules := range p.Rules {
			if len(rules) > 0 && !p.Isolates[d] {
				t.Errorf("%v: rules without isolation", Direction(d))
			}
			for _, r := range rules {
				if r.Action != Accept {
					t.Errorf("rule %+v of a NetworkPolicy does not accept", r)
				}
			}
		}
	})
}

// Pods and nodes come from outside too; their addresses are texts.
func FuzzInventory(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"a"},"spec":{"containers":[{"ports":[{"name":"http","containerPort":80}]}]},"status":{"podIPs":[{"ip":"10.0.0.1"}]}}`))
	f.Add([]byte(`{"spec":{"podCIDRs":["10.0.0.0/24","::/0"]},"status":{"addresses":[{"type":"InternalIP","address":"::ffff:10.0.0.1"}]}}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		pod, node := &corev1.Pod{}, &corev1.Node{}
		if json.Unmarshal(manifest, pod) == nil {
			converted, ok := PodFrom(pod)
			if ok != (len(converted.Addresses) > 0) {
				t.Errorf("pod %+v: %v", converted, ok)
			}
			checkAddresses(t, converted.Addresses)
		}
		if json.Unmarshal(manifest, node) == nil {
			checkAddresses(t, NodeFrom(node).Addresses)
		}
	})
}

func addClusterSeeds(f *testing.F) {
	f.Helper()
	for _, seed := range []string{
		`{"metadata":{"name":"a"},"spec":{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"ingress":[{"action":"Deny","from":[{"namespaces":{}}]}]}}`,
		`{"spec":{"tier":"Baseline","subject":{"pods":{"podSelector":{}}},"egress":[{"action":"Pass","to":[{"networks":["0.0.0.0/0"]},{}]}]}}`,
		`{"spec":{"tier":"Admin","subject":{},"egress":[{"action":"Accept","to":[{"domainNames":["*.a.b"]}],"protocols":[{"tcp":{"destinationPort":{"range":{"start":1,"end":2}}}}]}]}}`,
		`{"spec":{"tier":"Admin","subject":{"namespaces":{}},"ingress":[{"action":"Log","from":[{"nodes":{}}],"protocols":[{"destinationNamedPort":"http"},{}]}]}}`,
	} {
		f.Add([]byte(seed))
	}
}

// checkFailClosed demands of each rule that is missing that it is an Accept:
// all others are there, or as a rule that denies everything.
func checkFailClosed(t *testing.T, p *Policy, d Direction, count int, action func(int) string) {
	t.Helper()
	if p.Subject == nil && len(p.Rules[d]) == 0 {
		return
	}
	there := map[int]Rule{}
	for _, r := range p.Rules[d] {
		there[r.Index] = r
	}
	for i := range count {
		rule, ok := there[i]
		if !ok && action(i) != Accept.String() {
			t.Errorf("%v rule %d, %q, is gone", d, i, action(i))
		}
		if rule.FailClosed && (rule.Action != Deny || len(rule.Peers)+len(rule.Ports) > 0) {
			t.Errorf("%v rule %d fails closed as %+v", d, i, rule)
		}
		if !rule.FailClosed && ok && rule.Action.String() != action(i) {
			t.Errorf("%v rule %d, %q, became %v", d, i, action(i), rule.Action)
		}
	}
}

// checkRules demands what the compiler relies on.
func checkRules(t *testing.T, p *Policy) {
	t.Helper()
	for d := range p.Rules {
		last := -1
		for _, r := range p.Rules[d] {
			if r.Index <= last {
				t.Errorf("rule %d after rule %d", r.Index, last)
			}
			last = r.Index
			checkRule(t, p, r)
		}
	}
}

func checkRule(t *testing.T, p *Policy, r Rule) {
	t.Helper()
	if p.Tier != NetworkPolicy && !r.FailClosed && len(r.Peers) == 0 {
		t.Errorf("rule %d without peers would match all", r.Index)
	}
	for _, peer := range r.Peers {
		checkPeer(t, p, peer)
	}
	for _, port := range r.Ports {
		if port.Name == "" && (port.Protocol == AnyProtocol || port.First > port.Last) {
			t.Errorf("port %+v", port)
		}
	}
}

func checkPeer(t *testing.T, p *Policy, peer Peer) {
	t.Helper()
	if countTrue(peer.Pods != nil, peer.Nodes != nil, peer.Net != nil, peer.Domain != "") != 1 {
		t.Errorf("peer %+v has not exactly one field", peer)
	}
	if peer.Net != nil && (!peer.Net.CIDR.IsValid() || peer.Net.CIDR != peer.Net.CIDR.Masked() || peer.Net.CIDR.Addr().Is4In6()) {
		t.Errorf("network %v", peer.Net.CIDR)
	}
	if peer.Pods != nil && (peer.Pods.Pods == nil || (peer.Pods.Namespaces == nil && p.Tier != NetworkPolicy)) {
		t.Errorf("pods %+v lack a selector", peer.Pods)
	}
}

func checkAddresses(t *testing.T, addresses []netip.Addr) {
	t.Helper()
	seen := map[netip.Addr]bool{}
	for _, a := range addresses {
		if !a.IsValid() || a.Is4In6() || seen[a] {
			t.Errorf("addresses %v", addresses)
		}
		seen[a] = true
	}
}
