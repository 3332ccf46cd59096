// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// BenchmarkEndpointEvent changes the class of one endpoint among 100,000, beside
// 100,000 port decisions.
func BenchmarkEndpointEvent(b *testing.B) {
	f := newFixture(b)
	rs := manyRows(10_000, 100_000)
	addresses := slices.SortedFunc(maps.Keys(rs.Endpoints), netip.Addr.Compare)
	if _, err := f.plane.Apply(b.Context(), rs, nil); err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		address := addresses[i%len(addresses)]
		rs.Endpoints[address] ^= 1
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

// BenchmarkFirstPacket sends first packets of connections through the node, from
// a pod to one of another node, which is accepted: without a table, with
// connection tracking only, and with policies.
func BenchmarkFirstPacket(b *testing.B) {
	for _, bench := range []struct {
		name            string
		rows, endpoints int
	}{{"no table", -1, 0}, {"nothing judged", 0, 0}, {"1 row", 1, 1}, {"100 rows", 100, 10_000}, {"10000 rows", 10_000, 100_000}} {
		b.Run(bench.name, func(b *testing.B) {
			f := newFixture(b)
			if bench.rows >= 0 {
				if _, err := f.plane.Apply(b.Context(), manyRows(bench.rows, bench.endpoints), nil); err != nil {
					b.Fatal(err)
				}
			}
			packets := make([]netnstest.Packet, 20_000)
			for i := range packets {
				packets[i] = netnstest.Packet{From: f.Pod(0), Src: podA[0], Dst: netipAddr("10.128.0.0"), Protocol: unix.IPPROTO_UDP, DstPort: 53}
			}
			for b.Loop() {
				if _, err := f.Send(packets); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(packets)), "ns/packet")
		})
	}
}

// manyRows has a stack judge pod A that has as many rows, with ten ports each.
func manyRows(rows, endpoints int) *ruleset.Ruleset {
	rs := emptyRuleset()
	for i, address := range addEndpoints(rs, endpoints) {
		rs.Endpoints[address] = ruleset.ClassID(i%rows + 1)
	}
	if rows == 0 {
		return rs
	}
	accept := decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)
	s := stack("many", ruleset.Egress, ruleset.Admin, ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Deny)})
	for class := range ruleset.ClassID(rows) {
		var row ruleset.Row
		for port := range uint16(10) {
			row.Ports = append(row.Ports, ruleset.PortDecision{Protocol: ruleset.UDP, First: 50 + port, Last: 50 + port, Decision: accept})
		}
		withRow(s, class+1, row)
	}
	judge(rs, podA, s)
	return rs
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
