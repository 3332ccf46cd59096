// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"maps"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/oracle"
)

// Minimise takes away states, objects, rules, peers and ports as long as the
// check still fails, and returns what is left and how that failed; nil if the
// check does not fail. The check is called often.
func Minimise(states []*oracle.Cluster, check func([]*oracle.Cluster) error) ([]*oracle.Cluster, error) {
	failure := check(states)
	for failure != nil {
		smaller, err := firstFailing(states, check)
		if err == nil {
			break
		}
		states, failure = smaller, err
	}
	return states, failure
}

func firstFailing(states []*oracle.Cluster, check func([]*oracle.Cluster) error) ([]*oracle.Cluster, error) {
	for candidate := range without(states) {
		if len(candidate) == 0 {
			continue
		}
		if err := check(candidate); err != nil {
			return candidate, err
		}
	}
	for i, state := range states {
		for smaller := range smallerStates(state) {
			candidate := slices.Clone(states)
			candidate[i] = smaller
			if err := check(candidate); err != nil {
				return candidate, err
			}
		}
	}
	return nil, nil
}

// without yields the list without each of its elements.
func without[V any](list []V) func(func([]V) bool) {
	return func(yield func([]V) bool) {
		for i := range list {
			if !yield(slices.Delete(slices.Clone(list), i, i+1)) {
				return
			}
		}
	}
}

// smallerStates yields the state with one thing less.
func smallerStates(c *oracle.Cluster) func(func(*oracle.Cluster) bool) {
	return func(yield func(*oracle.Cluster) bool) {
		var all []*oracle.Cluster
		add := func(change func(*oracle.Cluster)) {
			next := *c
			change(&next)
			all = append(all, &next)
		}
		shrinkList(c.Tierwall, smallerTierwall, func(l []*v1alpha1.ClusterNetworkPolicy) { add(func(n *oracle.Cluster) { n.Tierwall = l }) })
		shrinkList(c.Upstream, smallerUpstream, func(l []*upstream.ClusterNetworkPolicy) { add(func(n *oracle.Cluster) { n.Upstream = l }) })
		shrinkList(c.NetworkPolicies, smallerNetworkPolicy, func(l []*networkingv1.NetworkPolicy) { add(func(n *oracle.Cluster) { n.NetworkPolicies = l }) })
		for l := range without(c.Pods) {
			add(func(n *oracle.Cluster) { n.Pods = l })
		}
		for l := range without(c.Nodes) {
			add(func(n *oracle.Cluster) { n.Nodes = l })
		}
		for l := range without(c.Namespaces) {
			add(func(n *oracle.Cluster) { n.Namespaces = l })
		}
		for name := range c.Learned {
			add(func(n *oracle.Cluster) { n.Learned = withoutName(c.Learned, name) })
		}
		for _, next := range all {
			if !yield(next) {
				return
			}
		}
	}
}

func withoutName(names map[string][]netip.Addr, name string) map[string][]netip.Addr {
	fewer := maps.Clone(names)
	delete(fewer, name)
	return fewer
}

// shrinkList gives add the list without each element, and with each element in
// every smaller form.
func shrinkList[V any](list []V, smaller func(V) []V, add func([]V)) {
	for fewer := range without(list) {
		add(fewer)
	}
	for i, element := range list {
		for _, s := range smaller(element) {
			replaced := slices.Clone(list)
			replaced[i] = s
			add(replaced)
		}
	}
}

func smallerTierwall(p *v1alpha1.ClusterNetworkPolicy) []*v1alpha1.ClusterNetworkPolicy {
	var all []*v1alpha1.ClusterNetworkPolicy
	shrinkList(p.Spec.Ingress, func(r v1alpha1.ClusterNetworkPolicyIngressRule) []v1alpha1.ClusterNetworkPolicyIngressRule {
		var rules []v1alpha1.ClusterNetworkPolicyIngressRule
		for l := range without(r.From) {
			rules = append(rules, v1alpha1.ClusterNetworkPolicyIngressRule{Action: r.Action, From: l, Protocols: r.Protocols})
		}
		for l := range without(r.Protocols) {
			rules = append(rules, v1alpha1.ClusterNetworkPolicyIngressRule{Action: r.Action, From: r.From, Protocols: l})
		}
		return rules
	}, func(l []v1alpha1.ClusterNetworkPolicyIngressRule) {
		next := p.DeepCopy()
		next.Spec.Ingress = l
		all = append(all, next)
	})
	shrinkList(p.Spec.Egress, func(r v1alpha1.ClusterNetworkPolicyEgressRule) []v1alpha1.ClusterNetworkPolicyEgressRule {
		var rules []v1alpha1.ClusterNetworkPolicyEgressRule
		for l := range without(r.To) {
			rules = append(rules, v1alpha1.ClusterNetworkPolicyEgressRule{Action: r.Action, To: l, Protocols: r.Protocols})
		}
		for l := range without(r.Protocols) {
			rules = append(rules, v1alpha1.ClusterNetworkPolicyEgressRule{Action: r.Action, To: r.To, Protocols: l})
		}
		return rules
	}, func(l []v1alpha1.ClusterNetworkPolicyEgressRule) {
		next := p.DeepCopy()
		next.Spec.Egress = l
		all = append(all, next)
	})
	return all
}

func smallerUpstream(p *upstream.ClusterNetworkPolicy) []*upstream.ClusterNetworkPolicy {
	var all []*upstream.ClusterNetworkPolicy
	shrinkList(p.Spec.Ingress, func(r upstream.ClusterNetworkPolicyIngressRule) []upstream.ClusterNetworkPolicyIngressRule {
		var rules []upstream.ClusterNetworkPolicyIngressRule
		for l := range without(r.From) {
			rules = append(rules, upstream.ClusterNetworkPolicyIngressRule{Action: r.Action, From: l, Protocols: r.Protocols})
		}
		return rules
	}, func(l []upstream.ClusterNetworkPolicyIngressRule) {
		next := p.DeepCopy()
		next.Spec.Ingress = l
		all = append(all, next)
	})
	shrinkList(p.Spec.Egress, func(r upstream.ClusterNetworkPolicyEgressRule) []upstream.ClusterNetworkPolicyEgressRule {
		var rules []upstream.ClusterNetworkPolicyEgressRule
		for l := range without(r.To) {
			rules = append(rules, upstream.ClusterNetworkPolicyEgressRule{Action: r.Action, To: l, Protocols: r.Protocols})
		}
		return rules
	}, func(l []upstream.ClusterNetworkPolicyEgressRule) {
		next := p.DeepCopy()
		next.Spec.Egress = l
		all = append(all, next)
	})
	return all
}

func smallerNetworkPolicy(p *networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	var all []*networkingv1.NetworkPolicy
	shrinkList(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) []networkingv1.NetworkPolicyIngressRule {
		var rules []networkingv1.NetworkPolicyIngressRule
		for l := range without(r.From) {
			rules = append(rules, networkingv1.NetworkPolicyIngressRule{From: l, Ports: r.Ports})
		}
		for l := range without(r.Ports) {
			rules = append(rules, networkingv1.NetworkPolicyIngressRule{From: r.From, Ports: l})
		}
		return rules
	}, func(l []networkingv1.NetworkPolicyIngressRule) {
		next := p.DeepCopy()
		next.Spec.Ingress = l
		all = append(all, next)
	})
	shrinkList(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) []networkingv1.NetworkPolicyEgressRule {
		var rules []networkingv1.NetworkPolicyEgressRule
		for l := range without(r.To) {
			rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: l, Ports: r.Ports})
		}
		for l := range without(r.Ports) {
			rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: r.To, Ports: l})
		}
		return rules
	}, func(l []networkingv1.NetworkPolicyEgressRule) {
		next := p.DeepCopy()
		next.Spec.Egress = l
		all = append(all, next)
	})
	return all
}
