// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// podState is a pod as the compiler keeps it.
type podState struct {
	name      string
	namespace *namespaceState
	labels    *labelSet
	ports     *portSet
	node      string
	created   int64
	addresses []netip.Addr
	identity  *identity
	// subject is set for pods of this node.
	subject *subjectState
}

// nodeState is a node with the live node features that it has.
type nodeState struct {
	node     Node
	features signature
}

// endpoint is an address that somebody known to the cluster has.
type endpoint struct {
	address netip.Addr
	// pods claim the address; the first one has it.
	pods []*podState
	// others have it too; nil for most addresses.
	others *otherOwners

	group *group
	// position is the index in group.endpoints.
	position uint32
	touched  bool
}

// otherOwners are those of an address besides pods.
type otherOwners struct {
	nodes []*nodeState
	// names are the domain names it was learned for.
	names map[string]struct{}
}

// otherOwners returns those of the endpoint, to be changed.
func (e *endpoint) otherOwners() *otherOwners {
	if e.others == nil {
		e.others = &otherOwners{names: map[string]struct{}{}}
	}
	return e.others
}

// owned reports whether anybody has the address.
func (e *endpoint) owned() bool {
	return len(e.pods) > 0 || (e.others != nil && len(e.others.nodes)+len(e.others.names) > 0)
}

// groupKey is all that determines an address's signature.
type groupKey struct {
	identity *identity
	segment  *segment
	// extra is the key of the signature that nodes and domain names add.
	extra string
}

// group is the endpoints with one groupKey, so that a change of signature is
// worked out once for all of them.
type group struct {
	key       groupKey
	extra     signature
	endpoints []*endpoint
	class     *class
	// pinned groups stay without endpoints: those of segments.
	pinned  bool
	touched bool
}

// before orders the pods that claim one address: the younger has it. Names decide
// between equally old ones, which is as good as anything that all nodes agree on.
func (p *podState) before(q *podState) int {
	return cmp.Or(cmp.Compare(q.created, p.created), strings.Compare(p.namespace.name, q.namespace.name), strings.Compare(p.name, q.name))
}

// endpointAt returns the endpoint of an address, new if need be, and has it
// looked at in the course of the Update.
func (c *Compiler) endpointAt(a netip.Addr) *endpoint {
	e := c.endpoints[a]
	if e == nil {
		e = &endpoint{address: a}
		c.endpoints[a] = e
	}
	c.touchEndpoint(e)
	return e
}

func (c *Compiler) touchEndpoint(e *endpoint) {
	if !e.touched {
		e.touched = true
		c.touchedEndpoints = append(c.touchedEndpoints, e)
	}
}

func (c *Compiler) claim(a netip.Addr, p *podState) {
	e := c.endpointAt(a)
	i, _ := slices.BinarySearchFunc(e.pods, p, (*podState).before)
	e.pods = slices.Insert(e.pods, i, p)
	c.settleContest(e)
}

func (c *Compiler) unclaim(a netip.Addr, p *podState) {
	e := c.endpointAt(a)
	c.settleContest(e)
	e.pods = slices.DeleteFunc(e.pods, func(q *podState) bool { return q == p })
}

// settleContest has it looked at whose subject a contested address is.
func (c *Compiler) settleContest(e *endpoint) {
	if len(e.pods) > 1 {
		c.touchSubjectAddresses([]netip.Addr{e.address})
	}
}

// regroup puts the endpoint into the group it belongs to now, or forgets it if
// nobody has the address any more.
func (c *Compiler) regroup(e *endpoint) {
	if !e.owned() {
		c.leaveGroup(e)
		delete(c.endpoints, e.address)
		c.unlist(e.address)
		return
	}
	extra := c.extraSignature(e)
	key := groupKey{segment: c.networks.segmentOf(e.address), extra: extra.key()}
	if len(e.pods) > 0 {
		key.identity = e.pods[0].identity
	}
	if e.group != nil && e.group.key == key {
		return
	}
	c.leaveGroup(e)
	g := c.groupFor(key)
	g.extra = extra
	e.group, e.position = g, uint32(len(g.endpoints))
	g.endpoints = append(g.endpoints, e)
	c.regrouped = append(c.regrouped, e)
}

// extraSignature is what nodes and domain names tell of an endpoint.
func (c *Compiler) extraSignature(e *endpoint) signature {
	if e.others == nil {
		return nil
	}
	var ids []featureID
	for _, n := range e.others.nodes {
		ids = append(ids, n.features...)
	}
	for name := range e.others.names {
		for f := range c.liveDomains.Match(name) {
			ids = append(ids, f.id)
		}
	}
	return signatureOf(ids)
}

// groupFor returns the group with the key, new if need be.
func (c *Compiler) groupFor(key groupKey) *group {
	if g := c.groups[key]; g != nil {
		return g
	}
	g := &group{key: key}
	c.groups[key] = g
	key.segment.groups[g] = struct{}{}
	if key.identity != nil {
		key.identity.groups.add(g)
	}
	c.touchGroup(g)
	return g
}

// leaveGroup takes the endpoint out of its group.
func (c *Compiler) leaveGroup(e *endpoint) {
	g := e.group
	if g == nil {
		return
	}
	last := len(g.endpoints) - 1
	g.endpoints[e.position] = g.endpoints[last]
	g.endpoints[e.position].position = e.position
	g.endpoints[last] = nil
	g.endpoints = g.endpoints[:last]
	e.group = nil
	c.dropIfEmpty(g)
}

// dropIfEmpty forgets a group that has no address in it.
func (c *Compiler) dropIfEmpty(g *group) {
	if g.pinned || len(g.endpoints) > 0 {
		return
	}
	delete(c.groups, g.key)
	delete(g.key.segment.groups, g)
	if g.key.identity != nil {
		g.key.identity.groups.remove(g)
	}
	if g.class != nil {
		g.class.groups.remove(g)
		c.staleClasses[g.class] = struct{}{}
		g.class = nil
	}
}

func (c *Compiler) touchGroup(g *group) {
	if !g.touched {
		g.touched = true
		c.touchedGroups = append(c.touchedGroups, g)
	}
}

// alive reports whether the group is in use; touchedGroups may hold others.
func (c *Compiler) alive(g *group) bool { return c.groups[g.key] == g }

// signatureOfGroup is the signature of every address in the group.
func signatureOfGroup(g *group) signature {
	ids := slices.Clone(g.extra)
	ids = append(ids, g.key.segment.features...)
	if g.key.identity != nil {
		ids = append(ids, g.key.identity.features...)
	}
	return signatureOf(ids)
}

// list brings the Ruleset's entry for the endpoint up to date. An endpoint with
// the class of its network needs none.
func (c *Compiler) list(e *endpoint) {
	want := e.group.class
	if want == e.group.key.segment.network.class {
		c.unlist(e.address)
		return
	}
	if c.ruleset.Endpoints[e.address] != want.id {
		c.ruleset.Endpoints[e.address] = want.id
		c.delta.Endpoints[e.address] = struct{}{}
	}
}

func (c *Compiler) unlist(a netip.Addr) {
	if _, listed := c.ruleset.Endpoints[a]; listed {
		delete(c.ruleset.Endpoints, a)
		c.delta.Endpoints[a] = struct{}{}
	}
}
