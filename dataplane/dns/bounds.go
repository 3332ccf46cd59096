// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"sync/atomic"
)

// The bounds, as they are called in metrics.
const (
	// BoundNames is how many names addresses are learned for.
	BoundNames = "names"
	// BoundAddresses is how many addresses all names have together.
	BoundAddresses = "addresses"
	// BoundAddressesPerName is how many addresses one name has.
	BoundAddressesPerName = "addresses_per_name"
	// BoundQueries is how many queries are in flight.
	BoundQueries = "queries"
	// BoundQueriesPerPod is how many queries of one pod are in flight.
	BoundQueriesPerPod = "queries_per_pod"
)

// Bound is one of the proxy's bounds.
type Bound struct {
	// Name is one of the constants BoundNames and so on.
	Name string
	// Limit is the greatest number there may be.
	Limit int
	// Hits is how many queries and answers were dropped because of the bound
	// since the proxy was made.
	Hits uint64
}

// boundError says which bound a query or an answer is over.
type boundError struct {
	bound string
	limit int
	// name is that of which addresses were to be learned; empty for a query.
	name string
}

func (e *boundError) Error() string {
	if e.name == "" {
		return fmt.Sprintf("no room for another query: the bound %s of %d is reached", e.bound, e.limit)
	}
	return fmt.Sprintf("no room to learn addresses of %s: the bound %s of %d is reached", e.name, e.bound, e.limit)
}

// tally counts what was dropped because of one bound.
type tally struct {
	name  string
	limit int
	hits  atomic.Uint64
}

// newTallies returns those of all bounds.
func newTallies(l Limits) []*tally {
	return []*tally{
		{name: BoundNames, limit: l.Names},
		{name: BoundAddresses, limit: l.Addresses},
		{name: BoundAddressesPerName, limit: l.AddressesPerName},
		{name: BoundQueries, limit: l.Queries},
		{name: BoundQueriesPerPod, limit: l.QueriesPerPod},
	}
}

// Bounds returns the proxy's bounds, and how often each was hit. It may be
// called at any time.
func (p *Proxy) Bounds() []Bound {
	bounds := make([]Bound, 0, len(p.tallies))
	for _, t := range p.tallies {
		bounds = append(bounds, Bound{Name: t.name, Limit: t.limit, Hits: t.hits.Load()})
	}
	return bounds
}

// hit counts something that was dropped because of a bound.
func (p *Proxy) hit(bound string) {
	for _, t := range p.tallies {
		if t.name == bound {
			t.hits.Add(1)
		}
	}
}
