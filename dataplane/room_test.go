// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// grown is a pod's table whose map of endpoints is of fixed size.
type grown struct {
	*fixture
	rs *ruleset.Ruleset
}

// set lists endpoints first to last of 10.9.0.0/16 in a class, or unlists them if
// it is 0, and returns what that took.
func (g grown) set(t *testing.T, class ruleset.ClassID, first, last int) Result {
	t.Helper()
	delta := &ruleset.Delta{Endpoints: map[netip.Addr]struct{}{}}
	for i := first; i <= last; i++ {
		address := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		delta.Endpoints[address] = struct{}{}
		if g.rs.Endpoints[address] = class; class == 0 {
			delete(g.rs.Endpoints, address)
		}
	}
	result, err := g.plane.Apply(t.Context(), g.rs, delta)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// reaches checks whether pod A, which may send to the office only, reaches an
// address.
func (g grown) reaches(t *testing.T, address string, want bool) {
	t.Helper()
	p := probe{packet: netnstest.Packet{From: g.Pod(0), Src: podA[0], Dst: netipAddr(address), Protocol: 6, DstPort: 443}}
	if want {
		p.want = netnstest.Uplink
	}
	g.check(t, p)
}

// TestOutgrown has a set of fixed size get more elements than it has room for: the
// table is written anew, and then there is room.
func TestOutgrown(t *testing.T) {
	g := grown{newFixture(t), guarded()}
	g.apply(t, g.rs)
	if got := g.set(t, classOffice, 1, 3*minimumRoom/4); got.TookOver {
		t.Errorf("took over for what there was room for: %+v", got)
	}
	if got := g.set(t, classWorld, 1, 3*minimumRoom/4); got.TookOver {
		t.Errorf("took over for elements that others make room for: %+v", got)
	}
	got := g.set(t, classOffice, 1, 2*minimumRoom)
	if !got.TookOver {
		t.Errorf("more elements than there was room for: %+v, want a take-over", got)
	}
	g.reaches(t, "10.9.0.1", true)
	g.reaches(t, "10.9.2.0", true)
	g.reaches(t, "10.9.2.1", false)
	if got := g.set(t, classOffice, 2*minimumRoom+1, 2*minimumRoom+1); got.TookOver || got.Messages != 1 {
		t.Errorf("one more endpoint afterwards: %+v, want one message", got)
	}
	g.reaches(t, "10.9.2.1", true)
	g.checkGuarded(t)
}

// TestRoomIsGivenBack has endpoints come, change and go more often than there is
// room for elements.
func TestRoomIsGivenBack(t *testing.T) {
	g := grown{newFixture(t), guarded()}
	g.apply(t, g.rs)
	for range minimumRoom {
		for _, class := range []ruleset.ClassID{classWorld, classOffice, 0} {
			if got := g.set(t, class, 1, 3); got.TookOver {
				t.Fatalf("took over, though elements go as others come: %+v", got)
			}
		}
	}
	g.set(t, classOffice, 1, 1)
	g.reaches(t, "10.9.0.1", true)
	g.reaches(t, "10.9.0.2", false)
}
