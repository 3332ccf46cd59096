// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/ruleset"
)

// The names of the sources, as they appear in logs and metrics.
const (
	sourcePods            = "pods"
	sourceNamespaces      = "namespaces"
	sourceNodes           = "nodes"
	sourceNetworkPolicies = "networkpolicies"
	sourceTierwall        = "clusternetworkpolicies.policy.tierwall.io"
	sourceUpstream        = "clusternetworkpolicies.policy.networking.k8s.io"
)

// A step changes what the compiler knows. Sources make steps, the loop carries
// them out.
type step func(*ruleset.Compiler)

// kind is one kind of input: how to read it and what it means.
type kind struct {
	name string
	// object and list are empty objects of the kind; they are never written to.
	object client.Object
	list   client.ObjectList
	// set makes the step for an object that exists. It runs outside the loop,
	// so conversion costs the loop nothing, and the step must not keep the
	// object.
	set func(client.Object) step
	// remove makes the step for an object that is gone.
	remove func(types.NamespacedName) step
}

// kinds lists the inputs that every cluster has.
func kinds() []kind {
	return []kind{podKind(), namespaceKind(), nodeKind(), networkPolicyKind(), tierwallKind()}
}

func podKind() kind {
	remove := func(key types.NamespacedName) step {
		return func(c *ruleset.Compiler) { c.DeletePod(key.Namespace, key.Name) }
	}
	shared := newLabelCache()
	return kind{
		name:   sourcePods,
		object: &corev1.Pod{},
		list:   &corev1.PodList{},
		set: func(o client.Object) step {
			pod, ok := ruleset.PodFrom(o.(*corev1.Pod))
			if !ok {
				return remove(client.ObjectKeyFromObject(o))
			}
			pod.Labels = shared.share(pod.Labels)
			return func(c *ruleset.Compiler) { c.SetPod(pod) }
		},
		remove: remove,
	}
}

func namespaceKind() kind {
	return kind{
		name:   sourceNamespaces,
		object: &corev1.Namespace{},
		list:   &corev1.NamespaceList{},
		set: func(o client.Object) step {
			name, l := o.GetName(), labels.Set(o.GetLabels())
			return func(c *ruleset.Compiler) { c.SetNamespace(name, l) }
		},
		remove: func(key types.NamespacedName) step {
			return func(c *ruleset.Compiler) { c.DeleteNamespace(key.Name) }
		},
	}
}

func nodeKind() kind {
	return kind{
		name:   sourceNodes,
		object: &corev1.Node{},
		list:   &corev1.NodeList{},
		set: func(o client.Object) step {
			node := ruleset.NodeFrom(o.(*corev1.Node))
			return func(c *ruleset.Compiler) { c.SetNode(node) }
		},
		remove: func(key types.NamespacedName) step {
			return func(c *ruleset.Compiler) { c.DeleteNode(key.Name) }
		},
	}
}

func networkPolicyKind() kind {
	return policyKind(kind{
		name:   sourceNetworkPolicies,
		object: &networkingv1.NetworkPolicy{},
		list:   &networkingv1.NetworkPolicyList{},
	}, ruleset.KindNetworkPolicy, ruleset.FromNetworkPolicy)
}

func tierwallKind() kind {
	return policyKind(kind{
		name:   sourceTierwall,
		object: &v1alpha1.ClusterNetworkPolicy{},
		list:   &v1alpha1.ClusterNetworkPolicyList{},
	}, ruleset.KindTierwall, ruleset.FromTierwall)
}

func upstreamKind() kind {
	return policyKind(kind{
		name:   sourceUpstream,
		object: &npav1alpha2.ClusterNetworkPolicy{},
		list:   &npav1alpha2.ClusterNetworkPolicyList{},
	}, ruleset.KindUpstream, ruleset.FromUpstream)
}

// policyKind completes k, a kind of policy that convert understands.
func policyKind[O client.Object](k kind, pk ruleset.PolicyKind, convert func(O) *ruleset.Policy) kind {
	k.set = func(o client.Object) step {
		policy := convert(o.(O))
		return func(c *ruleset.Compiler) { c.SetPolicy(policy) }
	}
	k.remove = func(key types.NamespacedName) step {
		return func(c *ruleset.Compiler) {
			c.DeletePolicy(ruleset.PolicyKey{Kind: pk, Namespace: key.Namespace, Name: key.Name})
		}
	}
	return k
}
