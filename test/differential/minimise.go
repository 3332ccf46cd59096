// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"iter"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
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
	for candidate := range smallerLists(states, smallerStates) {
		if len(candidate) == 0 {
			continue
		}
		if err := check(candidate); err != nil {
			return candidate, err
		}
	}
	return nil, nil
}

// smallerStates yields the state with one thing less.
func smallerStates(c *oracle.Cluster) iter.Seq[*oracle.Cluster] {
	return concat(
		in(c, func(c *oracle.Cluster) *[]*v1alpha1.ClusterNetworkPolicy { return &c.Tierwall }, smallerTierwall),
		in(c, func(c *oracle.Cluster) *[]*upstream.ClusterNetworkPolicy { return &c.Upstream }, smallerUpstream),
		in(c, func(c *oracle.Cluster) *[]*networkingv1.NetworkPolicy { return &c.NetworkPolicies }, smallerNetworkPolicy),
		in(c, func(c *oracle.Cluster) *[]*corev1.Pod { return &c.Pods }, whole),
		in(c, func(c *oracle.Cluster) *[]*corev1.Node { return &c.Nodes }, whole),
		in(c, func(c *oracle.Cluster) *[]*corev1.Namespace { return &c.Namespaces }, whole),
		withoutNames(c),
	)
}

func withoutNames(c *oracle.Cluster) iter.Seq[*oracle.Cluster] {
	return func(yield func(*oracle.Cluster) bool) {
		for name := range c.Learned {
			next := *c
			next.Learned = maps.Clone(c.Learned)
			delete(next.Learned, name)
			if !yield(&next) {
				return
			}
		}
	}
}

func smallerTierwall(p *v1alpha1.ClusterNetworkPolicy) iter.Seq[*v1alpha1.ClusterNetworkPolicy] {
	type (
		policy  = v1alpha1.ClusterNetworkPolicy
		ingress = v1alpha1.ClusterNetworkPolicyIngressRule
		egress  = v1alpha1.ClusterNetworkPolicyEgressRule
		ports   = []v1alpha1.ClusterNetworkPolicyProtocol
	)
	return concat(
		in(p, func(p *policy) *[]ingress { return &p.Spec.Ingress }, values(func(r *ingress) iter.Seq[*ingress] {
			return concat(
				in(r, func(r *ingress) *[]v1alpha1.ClusterNetworkPolicyIngressPeer { return &r.From }, whole),
				in(r, func(r *ingress) *ports { return &r.Protocols }, whole),
			)
		})),
		in(p, func(p *policy) *[]egress { return &p.Spec.Egress }, values(func(r *egress) iter.Seq[*egress] {
			return concat(
				in(r, func(r *egress) *[]v1alpha1.ClusterNetworkPolicyEgressPeer { return &r.To }, whole),
				in(r, func(r *egress) *ports { return &r.Protocols }, whole),
			)
		})),
	)
}

func smallerUpstream(p *upstream.ClusterNetworkPolicy) iter.Seq[*upstream.ClusterNetworkPolicy] {
	type (
		policy  = upstream.ClusterNetworkPolicy
		ingress = upstream.ClusterNetworkPolicyIngressRule
		egress  = upstream.ClusterNetworkPolicyEgressRule
	)
	return concat(
		in(p, func(p *policy) *[]ingress { return &p.Spec.Ingress }, values(func(r *ingress) iter.Seq[*ingress] {
			return in(r, func(r *ingress) *[]upstream.ClusterNetworkPolicyIngressPeer { return &r.From }, whole)
		})),
		in(p, func(p *policy) *[]egress { return &p.Spec.Egress }, values(func(r *egress) iter.Seq[*egress] {
			return in(r, func(r *egress) *[]upstream.ClusterNetworkPolicyEgressPeer { return &r.To }, whole)
		})),
	)
}

func smallerNetworkPolicy(p *networkingv1.NetworkPolicy) iter.Seq[*networkingv1.NetworkPolicy] {
	type (
		policy  = networkingv1.NetworkPolicy
		ingress = networkingv1.NetworkPolicyIngressRule
		egress  = networkingv1.NetworkPolicyEgressRule
		peers   = []networkingv1.NetworkPolicyPeer
		ports   = []networkingv1.NetworkPolicyPort
	)
	return concat(
		in(p, func(p *policy) *[]ingress { return &p.Spec.Ingress }, values(func(r *ingress) iter.Seq[*ingress] {
			return concat(
				in(r, func(r *ingress) *peers { return &r.From }, whole),
				in(r, func(r *ingress) *ports { return &r.Ports }, whole),
			)
		})),
		in(p, func(p *policy) *[]egress { return &p.Spec.Egress }, values(func(r *egress) iter.Seq[*egress] {
			return concat(
				in(r, func(r *egress) *peers { return &r.To }, whole),
				in(r, func(r *egress) *ports { return &r.Ports }, whole),
			)
		})),
	)
}

// smallerLists yields the list without each element, and with each element in
// every smaller form.
func smallerLists[V any](list []V, smaller func(V) iter.Seq[V]) iter.Seq[[]V] {
	return func(yield func([]V) bool) {
		for i := range list {
			if !yield(slices.Delete(slices.Clone(list), i, i+1)) {
				return
			}
		}
		for i, element := range list {
			for s := range smaller(element) {
				next := slices.Clone(list)
				next[i] = s
				if !yield(next) {
					return
				}
			}
		}
	}
}

// in yields the object with each smaller form of a list that is in it.
func in[T, V any](object *T, list func(*T) *[]V, smaller func(V) iter.Seq[V]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for l := range smallerLists(*list(object), smaller) {
			next := *object
			*list(&next) = l
			if !yield(&next) {
				return
			}
		}
	}
}

// values is for lists that hold the elements themselves.
func values[V any](smaller func(*V) iter.Seq[*V]) func(V) iter.Seq[V] {
	return func(element V) iter.Seq[V] {
		return func(yield func(V) bool) {
			for s := range smaller(&element) {
				if !yield(*s) {
					return
				}
			}
		}
	}
}

// whole is for elements that have no smaller form.
func whole[V any](V) iter.Seq[V] {
	return func(func(V) bool) {}
}

func concat[V any](all ...iter.Seq[V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, part := range all {
			for v := range part {
				if !yield(v) {
					return
				}
			}
		}
	}
}
