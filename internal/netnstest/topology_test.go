// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestSend(t *testing.T) {
	Require(t)
	pods := [][]netip.Addr{
		{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")},
	}
	outside := []netip.Addr{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:9::9")}
	topology, err := New(Config{Pods: pods})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := topology.Close(); err != nil {
			t.Error(err)
		}
	})
	host := topology.HostAddresses()
	var packets []Packet
	var want []Port
	expect := func(p Packet, at Port) {
		packets = append(packets, p)
		want = append(want, at)
	}
	for family, icmp := range []uint8{unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6} {
		for _, protocol := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, icmp} {
			p := Packet{Protocol: protocol, DstPort: 80}
			from := func(port Port, src, dst netip.Addr) Packet {
				p.From, p.Src, p.Dst = port, src, dst
				return p
			}
			expect(from(topology.Pod(0), pods[0][family], pods[1][family]), topology.Pod(1))
			expect(from(topology.Pod(1), pods[1][family], outside[family]), Uplink)
			expect(from(Uplink, outside[family], pods[0][family]), topology.Pod(0))
			expect(from(Host, host[family], pods[1][family]), topology.Pod(1))
			expect(from(Host, pods[0][family], pods[1][family]), topology.Pod(1))
			expect(from(topology.Pod(0), pods[0][family], host[family]), Host)
		}
	}
	for family, moved := range []netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("fd00::3")} {
		for _, port := range []Port{topology.Pod(0), topology.Pod(1)} {
			if err := topology.Move(port, moved); err != nil {
				t.Fatal(err)
			}
		}
		expect(Packet{From: Uplink, Src: outside[family], Dst: moved, Protocol: unix.IPPROTO_UDP}, topology.Pod(1))
	}

	got, err := topology.Send(packets)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("packet %+v: %s", packets[i], diff)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	Require(b)
	pods := [][]netip.Addr{{netip.MustParseAddr("10.0.0.1")}, {netip.MustParseAddr("10.0.0.2")}}
	topology, err := New(Config{Pods: pods})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := topology.Close(); err != nil {
			b.Error(err)
		}
	}()
	packets := make([]Packet, b.N)
	for i := range packets {
		packets[i] = Packet{From: topology.Pod(0), Src: pods[0][0], Dst: pods[1][0], Protocol: unix.IPPROTO_UDP, DstPort: 53}
	}
	b.ResetTimer()
	start := time.Now()
	if _, err := topology.Send(packets); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "packets/s")
}

func TestForgetConnections(t *testing.T) {
	Require(t)
	topology, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := topology.Close(); err != nil {
			t.Error(err)
		}
	})
	here, there := net.IPv4(203, 0, 113, 1), net.IPv4(203, 0, 113, 2)
	connection := &netlink.ConntrackFlow{
		FamilyType: netlink.FAMILY_V4,
		Forward:    netlink.IPTuple{SrcIP: here, DstIP: there, SrcPort: 40000, DstPort: 80, Protocol: unix.IPPROTO_UDP},
		Reverse:    netlink.IPTuple{SrcIP: there, DstIP: here, SrcPort: 80, DstPort: 40000, Protocol: unix.IPPROTO_UDP},
		TimeOut:    100,
	}
	links := topology.node.links
	if err := links.ConntrackCreate(netlink.ConntrackTable, netlink.FAMILY_V4, connection); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		flows, err := links.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
		if err != nil || len(flows) != want {
			t.Errorf("there are %d connections, want %d: %v", len(flows), want, err)
		}
		if err := topology.ForgetConnections(); err != nil {
			t.Fatal(err)
		}
	}
}
