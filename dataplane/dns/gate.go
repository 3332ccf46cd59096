// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"sync"
)

// gate bounds the queries in flight.
type gate struct {
	total, perPod int

	mu   sync.Mutex
	all  int
	pods map[netip.Addr]int
}

func newGate(l Limits) *gate {
	return &gate{total: l.Queries, perPod: l.QueriesPerPod, pods: map[netip.Addr]int{}}
}

// enter lets a query of a pod in, which then has to leave; or it returns the
// bound that is reached.
func (g *gate) enter(pod netip.Addr) (bound string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.pods[pod] >= g.perPod:
		return BoundQueriesPerPod
	case g.all >= g.total:
		return BoundQueries
	}
	g.pods[pod]++
	g.all++
	return ""
}

func (g *gate) leave(pod netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.pods[pod]--; g.pods[pod] == 0 {
		delete(g.pods, pod)
	}
}

func (g *gate) inFlight() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all
}
