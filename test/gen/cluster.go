// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/test/oracle"
)

// missingPercent is how often a state is without a namespace or node that pods may be
// in or on.
const missingPercent = 10

// Cluster generates a state: most nodes and namespaces, some pods and policies. What
// the API server says of a pod may be known before its node or namespace is.
func Cluster() *rapid.Generator[*oracle.Cluster] {
	return rapid.Custom(func(t *rapid.T) *oracle.Cluster {
		c := &oracle.Cluster{Learned: learned(t)}
		for _, name := range namespaceNames() {
			if !chance(t, missingPercent, "no such namespace") {
				c.Namespaces = append(c.Namespaces, namespace(t, name))
			}
		}
		for _, name := range nodeNames() {
			// Without LocalNode there is no agent.
			if name == LocalNode || !chance(t, missingPercent, "no such node") {
				c.Nodes = append(c.Nodes, node(t, name))
			}
		}
		c.Pods = distinct(t, "pods", 8, pod)
		c.NetworkPolicies = distinct(t, "NetworkPolicies", 6, networkPolicy)
		c.Upstream = distinct(t, "upstream policies", 4, upstreamPolicy)
		c.Tierwall = distinct(t, "Tierwall policies", 4, tierwall)
		return c
	})
}

// object is what all Kubernetes objects have.
type object interface{ metav1.Object }

func distinct[V object](t *rapid.T, label string, most int, element func(*rapid.T) V) []V {
	// Lists of any length are about as frequent; rapid prefers short ones.
	least := rapid.IntRange(0, most/2).Draw(t, "least")
	return rapid.SliceOfNDistinct(rapid.Custom(element), least, most, key[V]).Draw(t, label)
}

func key[V object](o V) string { return o.GetNamespace() + "/" + o.GetName() }

// learned draws what DNS said: addresses of the outside and of pods.
func learned(t *rapid.T) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for _, name := range learnedNames() {
		if addresses := rapid.SliceOfN(rapid.SampledFrom(allAddresses()), 0, 3).Draw(t, name); len(addresses) > 0 {
			names[name] = addresses
		}
	}
	return names
}

func learnedNames() []string {
	return []string{"example.com", "a.example.com", "B.A.example.com.", "badexample.com", "example.org"}
}

// Sequence generates states that follow one another: each differs from the one
// before in a few objects, as a cluster's does.
func Sequence(least, most int) *rapid.Generator[[]*oracle.Cluster] {
	return rapid.Custom(func(t *rapid.T) []*oracle.Cluster {
		states := []*oracle.Cluster{Cluster().Draw(t, "state")}
		for range rapid.IntRange(least, most).Draw(t, "length") - 1 {
			next := *states[len(states)-1]
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				change(t, &next)
			}
			states = append(states, &next)
		}
		return states
	})
}

// change changes one object of a state. Objects and lists are shared between
// states: they are replaced, never written to.
func change(t *rapid.T, c *oracle.Cluster) {
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0, 1, 2:
		c.Pods = upsert(t, c.Pods, pod)
	case 3:
		c.Pods = drop(t, c.Pods)
	case 4:
		c.NetworkPolicies = upsertOrDrop(t, c.NetworkPolicies, networkPolicy)
	case 5:
		c.Upstream = upsertOrDrop(t, c.Upstream, upstreamPolicy)
	case 6:
		c.Tierwall = upsertOrDrop(t, c.Tierwall, tierwall)
	case 7:
		c.Namespaces = upsertOrDrop(t, c.Namespaces, func(t *rapid.T) *corev1.Namespace {
			return namespace(t, pick(t, "name", namespaceNames()...))
		})
	case 8:
		c.Nodes = changeNodes(t, c.Nodes)
	default:
		c.Learned = maps.Clone(c.Learned)
		name := pick(t, "name", learnedNames()...)
		c.Learned[name] = rapid.SliceOfN(rapid.SampledFrom(allAddresses()), 1, 3).Draw(t, "addresses")
		if chance(t, 30, "forget") {
			delete(c.Learned, name)
		}
	}
}

// changeNodes keeps LocalNode.
func changeNodes(t *rapid.T, nodes []*corev1.Node) []*corev1.Node {
	next := upsertOrDrop(t, nodes, func(t *rapid.T) *corev1.Node { return node(t, pick(t, "name", nodeNames()...)) })
	if !slices.ContainsFunc(next, func(n *corev1.Node) bool { return n.Name == LocalNode }) {
		return nodes
	}
	return next
}

func upsertOrDrop[V object](t *rapid.T, list []V, element func(*rapid.T) V) []V {
	if chance(t, 35, "delete") {
		return drop(t, list)
	}
	return upsert(t, list, element)
}

func upsert[V object](t *rapid.T, list []V, element func(*rapid.T) V) []V {
	o := element(t)
	next := slices.DeleteFunc(slices.Clone(list), func(p V) bool { return key(p) == key(o) })
	return append(next, o)
}

func drop[V object](t *rapid.T, list []V) []V {
	if len(list) == 0 {
		return list
	}
	i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
	return slices.Delete(slices.Clone(list), i, i+1)
}
