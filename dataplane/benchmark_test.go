// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tierwall/tierwall/ruleset"
)

// BenchmarkEndpointEvent changes the class of one endpoint among 100,000.
func BenchmarkEndpointEvent(b *testing.B) {
	f := newFixture(b)
	rs := guarded()
	addresses := addEndpoints(rs, 100_000)
	if _, err := f.plane.Apply(b.Context(), rs, nil); err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		address := addresses[i%len(addresses)]
		rs.Endpoints[address] = classPodA + classPodB - rs.Endpoints[address]
		start := time.Now()
		result, err := f.plane.Apply(b.Context(), rs, &ruleset.Delta{Endpoints: map[netip.Addr]struct{}{address: {}}})
		took = append(took, time.Since(start))
		if err != nil || result.Elements != 2 {
			b.Fatal(result, err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
}

// BenchmarkTakeOver writes a table with 100,000 endpoints over one.
func BenchmarkTakeOver(b *testing.B) {
	f := newFixture(b)
	rs := guarded()
	addEndpoints(rs, 100_000)
	for b.Loop() {
		if _, err := f.plane.Resync(b.Context(), rs); err != nil {
			b.Fatal(err)
		}
	}
}

// addEndpoints adds pods of other nodes, a class of two to each.
func addEndpoints(rs *ruleset.Ruleset, count int) []netip.Addr {
	addresses := make([]netip.Addr, 0, count)
	address := netipAddr("10.128.0.0")
	for i := range count {
		rs.Endpoints[address] = classPodA + ruleset.ClassID(i%2)
		addresses = append(addresses, address)
		address = address.Next()
	}
	return addresses
}
