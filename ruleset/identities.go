// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// labelSet is an interned set of labels: equal sets are one pointer.
type labelSet struct {
	key    string
	labels labels.Set
	uses   int
}

// portSet is an interned, sorted list of named ports.
type portSet struct {
	key   string
	ports []NamedPort
	uses  int
}

// named returns the ports of one name.
func (s *portSet) named(name string) []NamedPort {
	from, _ := slices.BinarySearchFunc(s.ports, name, func(p NamedPort, n string) int { return strings.Compare(p.Name, n) })
	to := from
	for to < len(s.ports) && s.ports[to].Name == name {
		to++
	}
	return s.ports[from:to]
}

// namespaceState is what is known of a namespace: its labels, if there is such
// an object, and who lives in it.
type namespaceState struct {
	name       string
	labels     labels.Set
	known      bool
	pods       map[string]*podState
	identities map[*identity]struct{}
	subjects   map[*subjectState]struct{}
}

// identityKey is all that peers and subjects can tell about a pod but its
// address. The node counts only while some selector asks for it.
type identityKey struct {
	namespace *namespaceState
	labels    *labelSet
	ports     *portSet
	node      string
}

// identity is shared by the pods with equal keys, so that selectors are matched
// once for all of them.
type identity struct {
	key identityKey
	// pods counts the pods that have it.
	pods     int
	features signature
	// fresh identities have not been matched yet.
	fresh  bool
	groups smallSet[*group]
}

// internLabels returns the one labelSet with these labels and counts a use.
func (c *Compiler) internLabels(l labels.Set) *labelSet {
	key := l.String()
	set := c.labelSets[key]
	if set == nil {
		set = &labelSet{key: key, labels: l}
		c.labelSets[key] = set
	}
	set.uses++
	return set
}

func (c *Compiler) releaseLabels(s *labelSet) {
	if s.uses--; s.uses == 0 {
		delete(c.labelSets, s.key)
	}
}

// internPorts returns the one portSet with these ports and counts a use.
func (c *Compiler) internPorts(ports []NamedPort) *portSet {
	ports = slices.Clone(ports)
	slices.SortFunc(ports, func(a, b NamedPort) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	ports = slices.Compact(ports)
	key := portsKey(ports)
	set := c.portSets[key]
	if set == nil {
		set = &portSet{key: key, ports: ports}
		c.portSets[key] = set
	}
	set.uses++
	return set
}

func (c *Compiler) releasePorts(s *portSet) {
	if s.uses--; s.uses == 0 {
		delete(c.portSets, s.key)
	}
}

// identify gives the pod the identity it should have now and reports whether
// that is another one than before.
func (c *Compiler) identify(p *podState) bool {
	key := identityKey{namespace: p.namespace, labels: p.labels, ports: p.ports}
	if c.nodeSelectors > 0 {
		key.node = p.node
	}
	if p.identity != nil && p.identity.key == key {
		return false
	}
	id := c.identities[key]
	if id == nil {
		id = &identity{key: key}
		c.identities[key] = id
		key.namespace.identities[id] = struct{}{}
	}
	if id.pods == 0 {
		c.refresh(id) // it is new, or was not matched while it had no pods
	}
	c.unidentify(p)
	p.identity = id
	id.pods++
	return true
}

// refresh has the identity matched anew in the course of the Update.
func (c *Compiler) refresh(id *identity) {
	if !id.fresh {
		id.fresh = true
		c.freshIdentities = append(c.freshIdentities, id)
	}
}

// unidentify takes the pod's identity away.
func (c *Compiler) unidentify(p *podState) {
	if p.identity == nil {
		return
	}
	p.identity.pods--
	c.staleIdentities[p.identity] = struct{}{}
	p.identity = nil
}

// view is what selectors see of the identity's pods.
func (c *Compiler) view(id *identity) podView {
	return podView{
		namespace:       id.key.namespace.name,
		namespaceLabels: id.key.namespace.labels,
		podLabels:       id.key.labels.labels,
		node:            c.nodes[id.key.node],
	}
}

// match computes the identity's features from all live ones.
func (c *Compiler) match(id *identity) {
	var ids []featureID
	c.livePods.each(c.view(id), func(f *feature) { ids = append(ids, f.id) })
	for i, p := range id.key.ports.ports {
		if (i == 0 || id.key.ports.ports[i-1].Name != p.Name) && c.livePorts(p.Name) {
			ids = append(ids, c.portsFeature(id.key.ports.named(p.Name)).id)
		}
	}
	c.setFeatures(id, signatureOf(ids))
	id.fresh = false
}

// setFeatures replaces the identity's features, keeping count of the uses of
// port features.
func (c *Compiler) setFeatures(id *identity, features signature) {
	if slices.Equal(id.features, features) {
		return
	}
	for _, f := range features {
		if c.features.byID[f].kind == portFeature {
			c.useFeature(c.features.byID[f], 1)
		}
	}
	for _, f := range id.features {
		if c.features.byID[f].kind == portFeature {
			c.useFeature(c.features.byID[f], -1)
		}
	}
	id.features = features
	for g := range id.groups.all() {
		c.touchGroup(g)
	}
}

// useFeature counts uses of a feature.
func (c *Compiler) useFeature(f *feature, by int) {
	f.uses += by
	c.features.touched[f] = struct{}{}
}

// dropStaleIdentities forgets identities that no pod has any more.
func (c *Compiler) dropStaleIdentities() {
	for id := range c.staleIdentities {
		if id.pods > 0 {
			continue
		}
		c.setFeatures(id, nil)
		delete(c.identities, id.key)
		delete(id.key.namespace.identities, id)
	}
	clear(c.staleIdentities)
}
