// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
	"slices"
)

// portNameState is a container port name that rules or pods know.
type portNameState struct {
	// stacks have egress rules that ask for the name.
	stacks map[*stackState]struct{}
	// announced says that pending policies have such rules.
	announced bool
	live      bool
	// features are what the name stands for on some pods; only while live.
	features map[*feature]struct{}
}

// domainState is a domain name with the addresses learned for it.
type domainState struct {
	addresses []netip.Addr
}

// portName returns the state of a name, new if need be.
func (c *Compiler) portName(name string) *portNameState {
	n := c.portNames[name]
	if n == nil {
		n = &portNameState{stacks: map[*stackState]struct{}{}, features: map[*feature]struct{}{}}
		c.portNames[name] = n
	}
	return n
}

// livePorts reports whether the ports of that name are part of signatures.
func (c *Compiler) livePorts(name string) bool {
	n := c.portNames[name]
	return n != nil && n.live
}

// portsFeature returns the feature "what is named so is these ports", which all
// have one name.
func (c *Compiler) portsFeature(ports []NamedPort) *feature {
	f := c.features.intern(feature{key: "port " + portsKey(ports), kind: portFeature, ports: ports})
	c.portName(ports[0].Name).features[f] = struct{}{}
	return f
}

// settled is which features the last changes of stacks brought to life and
// which they ended.
type settled struct {
	pods     selectorIndex[*feature]
	begun    map[featureKind]int
	ended    map[featureID]struct{}
	endedOf  map[featureKind]int
	newNames map[string]struct{}
}

func newSettled() settled {
	return settled{
		pods: newSelectorIndex[*feature](), begun: map[featureKind]int{},
		ended: map[featureID]struct{}{}, endedOf: map[featureKind]int{}, newNames: map[string]struct{}{},
	}
}

// settleFeatures brings liveness, and with it all signatures, up to date with
// what stacks ask for.
func (c *Compiler) settleFeatures() {
	s := newSettled()
	selectors := c.nodeSelectors > 0
	for f := range c.features.touched {
		c.settle(f, &s)
	}
	namesEnded := c.settleNames(&s)
	if selectors != (c.nodeSelectors > 0) {
		c.identifyAll()
	}
	if s.begun[podsFeature]+s.endedOf[podsFeature]+len(s.newNames) > 0 || namesEnded {
		c.adjustIdentities(&s)
	}
	c.matchFresh()
	c.matchNodes(s.begun[nodesFeature]+s.endedOf[nodesFeature] > 0)
	if s.begun[networkFeature]+s.endedOf[networkFeature] > 0 {
		c.rebuildNetworks()
	}
	if s.begun[domainFeature]+s.endedOf[domainFeature] > 0 {
		c.touchDomains()
	}
}

// settle begins or ends the life of one feature that stacks ask for.
func (c *Compiler) settle(f *feature, s *settled) {
	if f.kind == portFeature || f.live == (f.uses > 0) {
		return
	}
	f.live = f.uses > 0
	if f.live {
		s.begun[f.kind]++
	} else {
		s.ended[f.id] = struct{}{}
		s.endedOf[f.kind]++
	}
	switch f.kind {
	case podsFeature:
		c.settlePods(f, s)
	case nodesFeature:
		setMember(c.liveNodes, f)
	case networkFeature:
		setMember(c.liveNetworks, f)
	case domainFeature:
		if f.live {
			c.liveDomains.Set(f.domain, f)
		} else {
			c.liveDomains.Delete(f.domain)
		}
	case portFeature: // settled by name
	}
}

func (c *Compiler) settlePods(f *feature, s *settled) {
	by := -1
	if f.live {
		by = 1
		s.pods.add(f.pods, f)
		c.livePods.add(f.pods, f)
	} else {
		c.livePods.remove(f.pods, f)
	}
	if f.pods.Nodes != nil {
		c.nodeSelectors += by
	}
}

// setMember makes the set contain f if f is live.
func setMember(set map[*feature]struct{}, f *feature) {
	if f.live {
		set[f] = struct{}{}
		return
	}
	delete(set, f)
}

// settleNames begins and ends the life of port names and reports whether any
// ended.
func (c *Compiler) settleNames(s *settled) bool {
	ended := false
	for name, n := range c.portNames {
		switch wanted := n.announced || len(n.stacks) > 0; {
		case wanted && !n.live:
			n.live = true
			s.newNames[name] = struct{}{}
		case !wanted && n.live:
			n.live = false
			ended = true
			for f := range n.features {
				s.ended[f.id] = struct{}{}
			}
		}
	}
	return ended
}

// identifyAll gives every pod its identity anew, after it began or ceased to
// matter what node it is on.
func (c *Compiler) identifyAll() {
	for _, ns := range c.namespaces {
		for _, p := range ns.pods {
			if c.identify(p) {
				for _, a := range p.addresses {
					c.touchEndpoint(c.endpoints[a])
				}
			}
		}
	}
}

// adjustIdentities takes the features that ended from all identities, and adds
// those that began.
func (c *Compiler) adjustIdentities(s *settled) {
	for _, id := range c.identities {
		if id.fresh {
			continue
		}
		features := slices.Clone(id.features)
		features = slices.DeleteFunc(features, func(f featureID) bool {
			_, ended := s.ended[f]
			return ended
		})
		s.pods.each(c.view(id), func(f *feature) { features = append(features, f.id) })
		for name := range s.newNames {
			if ports := id.key.ports.named(name); len(ports) > 0 {
				features = append(features, c.portsFeature(ports).id)
			}
		}
		c.setFeatures(id, signatureOf(features))
	}
}

// matchFresh matches the identities that are new or whose labels changed.
func (c *Compiler) matchFresh() {
	for _, id := range c.freshIdentities {
		if id.pods > 0 {
			c.match(id)
		}
		id.fresh = false
	}
	c.freshIdentities = c.freshIdentities[:0]
}

// matchNodes computes the features of the nodes that changed, or of all.
func (c *Compiler) matchNodes(all bool) {
	if all {
		for _, n := range c.nodes {
			c.touchedNodes[n] = struct{}{}
		}
	}
	for n := range c.touchedNodes {
		var ids []featureID
		for f := range c.liveNodes {
			if f.nodes.Matches(n.node.Labels) {
				ids = append(ids, f.id)
			}
		}
		features := signatureOf(ids)
		if slices.Equal(features, n.features) {
			continue
		}
		n.features = features
		for _, a := range n.node.Addresses {
			c.touchEndpoint(c.endpoints[a])
		}
	}
	clear(c.touchedNodes)
}

// touchDomains has all addresses learned for domain names looked at again.
func (c *Compiler) touchDomains() {
	for _, d := range c.domains {
		for _, a := range d.addresses {
			c.touchEndpoint(c.endpoints[a])
		}
	}
}

// forgetFeatures gives back the features that nothing uses any more. One that is
// still live ends first.
func (c *Compiler) forgetFeatures() {
	for f := range c.features.touched {
		if f.uses == 0 && f.live {
			continue
		}
		delete(c.features.touched, f)
		if f.uses > 0 {
			continue
		}
		if f.kind == portFeature {
			delete(c.portName(f.ports[0].Name).features, f)
		}
		c.features.forget(f)
	}
	for name, n := range c.portNames {
		if !n.live && len(n.stacks) == 0 && len(n.features) == 0 {
			delete(c.portNames, name)
		}
	}
}

// SetDomain sets the addresses learned for a domain name, in lower case and
// without trailing dot; none forgets the name.
func (c *Compiler) SetDomain(name string, addresses []netip.Addr) {
	d := c.domains[name]
	if d == nil {
		d = &domainState{}
		c.domains[name] = d
	}
	for _, a := range d.addresses {
		delete(c.endpointAt(a).otherOwners().names, name)
	}
	d.addresses = addresses
	for _, a := range addresses {
		c.endpointAt(a).otherOwners().names[name] = struct{}{}
	}
	if len(addresses) == 0 {
		delete(c.domains, name)
	}
}

// Domains returns the domain names and wildcards, canonical and in no order,
// that rules in use have as peers.
func (c *Compiler) Domains() []string {
	return slices.Collect(c.liveDomains.Patterns())
}
