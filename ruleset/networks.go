// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// segment is the addresses, outside of any identity, that no network in use
// tells apart. Segments survive changes of the networks as far as possible, so
// that a new network moves only the addresses it tells apart.
type segment struct {
	features signature
	// network is the group of the segment's addresses that are no endpoints.
	network *group
	groups  map[*group]struct{}
}

// networkTable finds the segment of an address.
type networkTable struct {
	// prefixes holds every boundary; its value is what holds from there on.
	prefixes *bart.Table[*segment]
	// ranges are the disjoint ranges that cover all addresses.
	ranges []segmentRange
	// segments by the key of their features.
	segments map[string]*segment
}

type segmentRange struct {
	first, last netip.Addr
	segment     *segment
}

// boundary collects what networks in use say of a prefix.
type boundary struct {
	within, except []*feature
}

func allAddresses() [2]netip.Prefix {
	return [2]netip.Prefix{
		netip.PrefixFrom(netip.IPv4Unspecified(), 0),
		netip.PrefixFrom(netip.IPv6Unspecified(), 0),
	}
}

// segmentOf returns the segment an address lies in.
func (t *networkTable) segmentOf(a netip.Addr) *segment {
	s, _ := t.prefixes.Lookup(a)
	return s
}

// boundaries files the live networks under their prefixes.
func boundaries(networks []*feature) *bart.Table[*boundary] {
	table := &bart.Table[*boundary]{}
	at := func(p netip.Prefix) *boundary {
		b, ok := table.Get(p)
		if !ok {
			b = &boundary{}
			table.Insert(p, b)
		}
		return b
	}
	for _, p := range allAddresses() {
		at(p)
	}
	for _, f := range networks {
		b := at(f.network.CIDR)
		b.within = append(b.within, f)
		for _, p := range f.network.Except {
			b := at(p)
			b.except = append(b.except, f)
		}
	}
	return table
}

// featuresAt returns the networks that match all addresses of a boundary but
// those of boundaries within it.
func featuresAt(table *bart.Table[*boundary], p netip.Prefix) signature {
	var within, except []featureID
	for _, b := range table.Supernets(p) {
		for _, f := range b.within {
			within = append(within, f.id)
		}
		for _, f := range b.except {
			except = append(except, f.id)
		}
	}
	if len(except) > 0 {
		holes := signatureOf(except)
		within = slices.DeleteFunc(within, holes.has)
	}
	return signatureOf(within)
}

// plannedSegment is a segment of the next networkTable, before it is known
// which present segment it goes on as.
type plannedSegment struct {
	features signature
	segment  *segment
}

// plan is the next networkTable in the making.
type plan struct {
	planned  map[string]*plannedSegment
	prefixes *bart.Table[*plannedSegment]
}

func planNetworks(networks []*feature) plan {
	table := boundaries(networks)
	next := plan{planned: map[string]*plannedSegment{}, prefixes: &bart.Table[*plannedSegment]{}}
	for p := range table.All() {
		features := featuresAt(table, p)
		key := features.key()
		if next.planned[key] == nil {
			next.planned[key] = &plannedSegment{features: features}
		}
		next.prefixes.Insert(p, next.planned[key])
	}
	return next
}

// rebuildNetworks makes the networkTable of the live networks and moves the
// endpoints whose segment is another one now, but for touched ones, whose turn is yet
// to come.
func (c *Compiler) rebuildNetworks() {
	var networks []*feature
	for f := range c.liveNetworks {
		networks = append(networks, f)
	}
	next := planNetworks(networks)
	c.keepSegments(next)
	old := c.networks.segments
	c.networks = networkTable{prefixes: &bart.Table[*segment]{}, segments: map[string]*segment{}}
	for key, planned := range next.planned {
		if planned.segment == nil {
			planned.segment = c.newSegment()
		}
		c.setSegmentFeatures(planned.segment, planned.features)
		c.networks.segments[key] = planned.segment
	}
	for p, planned := range next.prefixes.All() {
		c.networks.prefixes.Insert(p, planned.segment)
	}
	c.networks.ranges = flatten(c.networks.prefixes)
	c.networksChanged = true
	for _, e := range c.endpoints {
		if !e.touched {
			c.regroup(e)
		}
	}
	for _, s := range old {
		if c.networks.segments[s.features.key()] != s {
			s.network.pinned = false
			c.dropIfEmpty(s.network)
		}
	}
}

// keepSegments decides which planned segment goes on as which present one: the
// pairs that have most addresses in common first.
func (c *Compiler) keepSegments(next plan) {
	common := map[keeperPair[*plannedSegment, *segment]]int{}
	for _, r := range c.networks.ranges {
		if planned, ok := next.prefixes.Lookup(r.first); ok {
			common[keeperPair[*plannedSegment, *segment]{planned, r.segment}]++
		}
	}
	for a := range c.endpoints {
		// Not the segment of its group: that of a touched endpoint may be gone.
		if planned, ok := next.prefixes.Lookup(a); ok {
			common[keeperPair[*plannedSegment, *segment]{planned, c.networks.segmentOf(a)}]++
		}
	}
	for planned, kept := range keepers(common) {
		planned.segment = kept
	}
}

func (c *Compiler) newSegment() *segment {
	s := &segment{groups: map[*group]struct{}{}}
	s.network = c.groupFor(groupKey{segment: s})
	s.network.pinned = true
	return s
}

func (c *Compiler) setSegmentFeatures(s *segment, features signature) {
	if slices.Equal(s.features, features) {
		return
	}
	s.features = features
	for g := range s.groups {
		c.touchGroup(g)
	}
}

// flatten turns nested prefixes into disjoint sorted ranges, merging neighbours
// of one segment.
func flatten(prefixes *bart.Table[*segment]) []segmentRange {
	var out flattener
	for p, s := range prefixes.AllSorted() {
		out.open(p, s)
	}
	out.closeAll()
	slices.SortStableFunc(out.ranges, func(a, b segmentRange) int { return a.first.Compare(b.first) })
	return out.ranges
}

// flattener walks prefixes in order, the wider before the narrower, and keeps
// the ones it is inside of.
type flattener struct {
	stack  []segmentRange
	ranges []segmentRange
	// next is the first address of the innermost open range not yet written.
	next netip.Addr
}

func (f *flattener) open(p netip.Prefix, s *segment) {
	r := segmentRange{p.Addr(), lastAddress(p), s}
	f.closeBefore(r.first)
	if len(f.stack) > 0 && f.next.IsValid() && f.next.Compare(r.first) < 0 {
		f.emit(f.next, r.first.Prev(), f.stack[len(f.stack)-1].segment)
	}
	f.stack = append(f.stack, r)
	f.next = r.first
}

// closeBefore ends the open ranges that lie before a.
func (f *flattener) closeBefore(a netip.Addr) {
	for len(f.stack) > 0 {
		top := f.stack[len(f.stack)-1]
		if top.last.BitLen() == a.BitLen() && top.last.Compare(a) >= 0 {
			return
		}
		f.closeTop()
	}
}

func (f *flattener) closeAll() {
	for len(f.stack) > 0 {
		f.closeTop()
	}
}

func (f *flattener) closeTop() {
	top := f.stack[len(f.stack)-1]
	f.stack = f.stack[:len(f.stack)-1]
	if f.next.IsValid() && f.next.Compare(top.last) <= 0 {
		f.emit(f.next, top.last, top.segment)
	}
	f.next = top.last.Next()
}

func (f *flattener) emit(first, last netip.Addr, s *segment) {
	if n := len(f.ranges); n > 0 {
		before := &f.ranges[n-1]
		if before.segment == s && before.last.Next() == first {
			before.last = last
			return
		}
	}
	f.ranges = append(f.ranges, segmentRange{first, last, s})
}

// lastAddress returns the last address of a prefix.
func lastAddress(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(bytes); bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// keeperPair is a candidate for going on as something that is there already.
type keeperPair[N, O comparable] struct {
	next N
	old  O
}

// keepers pairs each new thing with at most one old thing and the other way
// round, those with most in common first.
func keepers[N, O comparable](common map[keeperPair[N, O]]int) map[N]O {
	pairs := make([]keeperPair[N, O], 0, len(common))
	for p := range common {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b keeperPair[N, O]) int { return cmp.Compare(common[b], common[a]) })
	kept, taken := map[N]O{}, map[O]bool{}
	for _, p := range pairs {
		if _, ok := kept[p.next]; ok || taken[p.old] {
			continue
		}
		kept[p.next] = p.old
		taken[p.old] = true
	}
	return kept
}
