// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// Agent tells a Compiler of states as the agent's controllers do: only of the
// objects that changed since the state before.
type Agent struct {
	Compiler *ruleset.Compiler
	state    *oracle.Cluster
}

// NewAgent returns an Agent of gen.LocalNode that knows nothing yet.
func NewAgent() *Agent {
	return &Agent{Compiler: ruleset.NewCompiler(gen.LocalNode), state: &oracle.Cluster{}}
}

// Load tells the Compiler how next differs from what it was told before.
func (a *Agent) Load(next *oracle.Cluster) {
	for _, change := range a.Changes(next) {
		change()
	}
}

// Changes returns what Load does as single steps, one for each object. They must
// be done in any order before the next call.
func (a *Agent) Changes(next *oracle.Cluster) []func() {
	c, old := a.Compiler, a.state
	a.state = next
	changes := slices.Concat(
		diff(old.Pods, next.Pods, podKey, a.setPod, func(o *corev1.Pod) { c.DeletePod(o.Namespace, o.Name) }),
		diff(old.Namespaces, next.Namespaces, nameOf, func(o *corev1.Namespace) { c.SetNamespace(o.Name, labels.Set(o.Labels)) },
			func(o *corev1.Namespace) { c.DeleteNamespace(o.Name) }),
		diff(old.Nodes, next.Nodes, nameOf, func(o *corev1.Node) { c.SetNode(ruleset.NodeFrom(o)) },
			func(o *corev1.Node) { c.DeleteNode(o.Name) }),
		diffPolicies(c, old.NetworkPolicies, next.NetworkPolicies, ruleset.FromNetworkPolicy),
		diffPolicies(c, old.Upstream, next.Upstream, ruleset.FromUpstream),
		diffPolicies(c, old.Tierwall, next.Tierwall, ruleset.FromTierwall),
	)
	return append(changes, a.names(old.Learned, next.Learned)...)
}

// setPod takes a pod without an address for one that is not there.
func (a *Agent) setPod(o *corev1.Pod) {
	if pod, ok := ruleset.PodFrom(o); ok {
		a.Compiler.SetPod(pod)
	} else {
		a.Compiler.DeletePod(o.Namespace, o.Name)
	}
}

func (a *Agent) names(old, next map[string][]netip.Addr) []func() {
	var changes []func()
	set := func(name string, addresses []netip.Addr) {
		canonical, _ := ruleset.CanonicalDomain(name)
		changes = append(changes, func() { a.Compiler.SetDomain(canonical, addresses) })
	}
	for name := range old {
		if _, ok := next[name]; !ok {
			set(name, nil)
		}
	}
	for name, addresses := range next {
		if !slices.Equal(old[name], addresses) {
			set(name, addresses)
		}
	}
	return changes
}

type named interface{ GetName() string }

func nameOf[V named](o V) string { return o.GetName() }

func podKey(o *corev1.Pod) string { return o.Namespace + "/" + o.Name }

func diffPolicies[V comparable](c *ruleset.Compiler, old, next []V, convert func(V) *ruleset.Policy) []func() {
	return diff(old, next, func(o V) ruleset.PolicyKey { return convert(o).Key },
		func(o V) { c.SetPolicy(convert(o)) }, func(o V) { c.DeletePolicy(convert(o).Key) })
}

// diff returns a call of set for each object that is new or another one than
// before, and of remove for each that is gone.
func diff[V, K comparable](old, next []V, key func(V) K, set, remove func(V)) []func() {
	before := map[K]V{}
	for _, o := range old {
		before[key(o)] = o
	}
	var changes []func()
	for _, o := range next {
		was, known := before[key(o)]
		delete(before, key(o))
		if !known || was != o {
			changes = append(changes, func() { set(o) })
		}
	}
	for _, o := range old {
		if _, gone := before[key(o)]; gone {
			changes = append(changes, func() { remove(o) })
		}
	}
	return changes
}
