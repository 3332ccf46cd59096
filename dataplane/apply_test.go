// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// guarded is a ruleset that uses every kind of set: pod A may send to the office
// only, and receive web traffic only.
func guarded() *ruleset.Ruleset {
	rs := emptyRuleset()
	deny, accept := decision(ruleset.Egress, ruleset.Admin, ruleset.Deny), decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)
	judge(rs, podA, withRow(stack("out", ruleset.Egress, ruleset.Admin, ruleset.Row{Rest: deny}), classOffice, ruleset.Row{
		Ports: []ruleset.PortDecision{
			{Protocol: ruleset.TCP, First: 22, Last: 22, Decision: deny},
			{Protocol: ruleset.UDP, First: 1000, Last: 2000, Decision: deny},
		},
		Rest: accept,
	}))
	pass := decision(ruleset.Ingress, ruleset.Baseline, ruleset.Pass)
	judge(rs, podA, withRow(stack("in", ruleset.Ingress, ruleset.Baseline, ruleset.Row{
		Ports: []ruleset.PortDecision{
			{Protocol: ruleset.TCP, First: 80, Last: 80},
			{Protocol: ruleset.TCP, First: 8000, Last: 8999},
		},
		Rest: decision(ruleset.Ingress, ruleset.Baseline, ruleset.Deny),
	}), classPodB, ruleset.Row{Rest: pass}))
	return rs
}

// checkGuarded checks what guarded is to do.
func (f *fixture) checkGuarded(t *testing.T) {
	t.Helper()
	const tcp, udp = unix.IPPROTO_TCP, unix.IPPROTO_UDP
	var all []probe
	for _, p := range []struct {
		src, dst family
		protocol uint8
		port     uint16
		arrives  bool
	}{
		{podA, world, tcp, 443, false},
		{podA, podB, tcp, 443, false},
		{podA, office, tcp, 443, true},
		{podA, office, tcp, 22, false},
		{podA, office, udp, 1500, false},
		{podA, office, udp, 2001, true},
		{world, podA, tcp, 80, true},
		{world, podA, tcp, 81, false},
		{world, podA, tcp, 8500, true},
		{office, podA, protocolICMP, 0, false},
		{podB, podA, protocolICMP, 0, true},
		{podB, world, tcp, 443, true},
	} {
		all = append(all, f.probes(p.src, p.dst, p.protocol, p.port, p.arrives)...)
	}
	f.check(t, all...)
}

func TestSecondApplySendsNothing(t *testing.T) {
	f := newFixture(t)
	if first := f.apply(t, guarded()); first.Messages == 0 || first.Elements == 0 || !first.TookOver {
		t.Errorf("the first apply was %+v, want one that takes over", first)
	}
	if diff := cmp.Diff(Result{}, f.apply(t, guarded())); diff != "" {
		t.Errorf("the second apply did something (-want +got):\n%s", diff)
	}
	f.checkGuarded(t)
}

// TestDeltaCost has single changes cost a message or two, however many other
// endpoints there are.
func TestDeltaCost(t *testing.T) {
	f := newFixture(t)
	rs := guarded()
	f.apply(t, rs)
	newcomer := netipAddr("10.9.9.9")
	apply := func(want Result) {
		t.Helper()
		got, err := f.plane.Apply(t.Context(), rs, &ruleset.Delta{Endpoints: map[netip.Addr]struct{}{newcomer: {}}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cost (-want +got):\n%s", diff)
		}
	}
	rs.Endpoints[newcomer] = classWorld
	apply(Result{Messages: 1, Elements: 1})
	apply(Result{})
	rs.Endpoints[newcomer] = classOffice
	apply(Result{Messages: 2, Elements: 2})
	f.check(t, probe{packet: netnstest.Packet{From: f.Pod(0), Src: podA[0], Dst: newcomer, Protocol: 6, DstPort: 443}, want: netnstest.Uplink})
	delete(rs.Endpoints, newcomer)
	apply(Result{Messages: 1, Elements: 1})
	f.check(t, probe{packet: netnstest.Packet{From: f.Pod(0), Src: podA[0], Dst: newcomer, Protocol: 6, DstPort: 443}})
}

func TestTakeOver(t *testing.T) {
	f := newFixture(t)
	for name, table := range map[string]string{
		"nothing":         `table inet other { }`,
		"an empty table":  `table inet tierwall { }`,
		"a dormant table": `table inet tierwall { flags dormant; }`,
		"other content under our names": `
			table inet tierwall {
				set egress4 { type inet_service; elements = { 80 } }
				map endpoints4 { type ipv4_addr : classid; size 2; elements = { 10.0.0.2 : 400:4, 10.0.0.9 : 100:1 } }
				map networks4 { type ipv4_addr : classid; flags interval; elements = { 0.0.0.0/0 : 400:4 } }
				chain leftover { drop; }
				map leftover { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto leftover } }
				chain forward { type filter hook input priority 5; policy drop; ip saddr vmap @leftover; }
				chain egress-accepted { drop; }
				chain foreign { type filter hook forward priority 1; policy drop; }
			}`,
		"a map of another key under our name": `
			table inet tierwall {
				map egress4 { type inet_service : verdict; elements = { 80 : drop } }
			}`,
	} {
		t.Run(name, func(t *testing.T) {
			f.nft(t, "flush ruleset;"+table, "-f", "-")
			plane := f.open(t)
			if _, err := plane.Apply(t.Context(), guarded(), nil); err != nil {
				// The kernel may refuse to keep what is there; then the next try
				// replaces the table.
				if _, err := plane.Apply(t.Context(), guarded(), nil); err != nil {
					t.Fatal(err)
				}
			}
			f.checkGuarded(t)
			if got := f.list(t); hasAny(got, "leftover", "foreign", "dormant") {
				t.Errorf("something is left of the other table:\n%s", got)
			}
		})
	}
}

// TestNoGap sends packets that must not pass, without a pause, while the table
// is written again and again.
func TestNoGap(t *testing.T) {
	f := newFixture(t)
	f.apply(t, guarded())
	renamed := guarded()
	for id, s := range renamed.Stacks {
		delete(renamed.Stacks, id)
		s.ID = "renamed" + id
		judge(renamed, podA, s)
	}
	for name, write := range map[string]func(ctx context.Context, plane *Dataplane) error{
		"agents come and go": func(ctx context.Context, _ *Dataplane) error {
			plane, err := New(Config{Netns: f.Node().FD()})
			if err != nil {
				return err
			}
			_, err = plane.Apply(ctx, guarded(), nil)
			return errors.Join(err, plane.Close())
		},
		"repairs": func(ctx context.Context, plane *Dataplane) error {
			_, err := plane.Resync(ctx, guarded())
			return err
		},
		"changes of all chains and sets": func(ctx context.Context, plane *Dataplane) error {
			_, err := plane.Apply(ctx, renamed, nil)
			if err == nil {
				_, err = plane.Apply(ctx, guarded(), nil)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			deny := append(f.probes(podA, world, unix.IPPROTO_UDP, 443, false), f.probes(world, podA, unix.IPPROTO_UDP, 81, false)...)
			f.probeWhile(t, deny, write)
		})
	}
}

// TestNoGapBetween goes round a list of rulesets that all deny the same packets,
// for different reasons.
func TestNoGapBetween(t *testing.T) {
	apply := func(ctx context.Context, p *Dataplane, from, to *ruleset.Ruleset) error {
		_, err := p.Apply(ctx, to, difference(from, to))
		return err
	}
	resync := func(ctx context.Context, p *Dataplane, _, to *ruleset.Ruleset) error {
		_, err := p.Resync(ctx, to)
		return err
	}
	// outgrow begins with a table that has no room for many more elements.
	outgrow := func(ctx context.Context, p *Dataplane, from, to *ruleset.Ruleset) error {
		if err := resync(ctx, p, nil, from); err != nil {
			return err
		}
		return apply(ctx, p, from, to)
	}
	for name, test := range map[string]struct {
		rulesets []*ruleset.Ruleset
		to       family
		write    func(ctx context.Context, p *Dataplane, from, to *ruleset.Ruleset) error
	}{
		"an agent that numbers classes otherwise":          {renumberedClasses(), world, resync},
		"an agent that numbers the chains of pods anew":    {renumberedPods(), world, resync},
		"a class with another row of ranges, among pods":   {otherRanges(300), office, apply},
		"a class with the only row of ranges, among pods":  {firstRanges(300), office, apply},
		"an address that gets its network's class":         {unlisted(300), office, apply},
		"pods come and change the numbers of pods' chains": {renumberedPods(), world, apply},
		"pods come for which there is no room":             {unlisted(2 * minimumRoom), office, outgrow},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.apply(t, test.rulesets[0])
			next := 0
			f.probeWhile(t, f.probes(podA, test.to, unix.IPPROTO_UDP, 1500, false), func(ctx context.Context, p *Dataplane) error {
				from := test.rulesets[next]
				next = (next + 1) % len(test.rulesets)
				return test.write(ctx, p, from, test.rulesets[next])
			})
		})
	}
}

// probeWhile sends packets that must not pass while write is called again and
// again.
func (f *fixture) probeWhile(t *testing.T, deny []probe, write func(context.Context, *Dataplane) error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	writer := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = write(t.Context(), f.plane)
		}
		writer <- err
	}()
	many := slices.Repeat(deny, 200/len(deny))
	for ctx.Err() == nil && !t.Failed() {
		f.check(t, many...)
	}
	cancel()
	if err := <-writer; err != nil {
		t.Error(err)
	}
}

// TestFailedApply has a ruleset that the kernel refuses: the table that is there
// stays, and the next good one is applied whatever its delta.
func TestFailedApply(t *testing.T) {
	f := newFixture(t)
	f.apply(t, guarded())
	before := f.list(t)

	refused := emptyRuleset()
	refused.Networks = append(refused.Networks, ruleset.NetworkRange{First: office[0], Last: office[0], Class: classPodA})
	if _, err := f.plane.Apply(t.Context(), refused, nil); !errors.Is(err, unix.EEXIST) {
		t.Fatalf("overlapping networks: %v, want %v", err, unix.EEXIST)
	}
	if diff := cmp.Diff(before, f.list(t)); diff != "" {
		t.Errorf("the table changed (-want +got):\n%s", diff)
	}
	f.checkGuarded(t)

	rs := guarded()
	denyAll(rs, podB, ruleset.Egress)
	if _, err := f.plane.Apply(t.Context(), rs, &ruleset.Delta{}); err != nil {
		t.Fatal(err)
	}
	f.check(t, f.probes(podB, world, unix.IPPROTO_TCP, 443, false)...)
	f.check(t, f.probes(podA, office, unix.IPPROTO_TCP, 443, true)...)
}

// TestCancelled has nothing sent once the caller has given up.
func TestCancelled(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.plane.Apply(ctx, guarded(), nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Apply: %v, want %v", err, context.Canceled)
	}
	f.check(t, f.probes(podA, world, unix.IPPROTO_TCP, 443, true)...)
	f.apply(t, guarded())
	f.checkGuarded(t)
}

func TestForeignChange(t *testing.T) {
	f := newFixture(t)
	f.apply(t, guarded())
	for name, command := range map[string]string{
		"a rule":      "flush chain inet tierwall forward",
		"an element":  "delete element inet tierwall %s { 10.0.0.1 }",
		"a new chain": "add chain inet tierwall x",
		"the table":   "delete table inet tierwall",
		"everything":  "flush ruleset",
	} {
		t.Run(name, func(t *testing.T) {
			egress4 := regexp.MustCompile(`map (egress4\S*)`).FindStringSubmatch(f.list(t))[1]
			f.nft(t, strings.Replace(command, "%s", egress4, 1), "-f", "-")
			select {
			case <-f.plane.Changed():
			case <-time.After(10 * time.Second):
				t.Fatal("the change was not noticed")
			}
			if _, err := f.plane.Resync(t.Context(), guarded()); err != nil {
				t.Fatal(err)
			}
			f.checkGuarded(t)
		})
	}
	t.Run("neither our own nor another table's", func(t *testing.T) {
		f.apply(t, emptyRuleset())
		f.apply(t, guarded())
		f.nft(t, "add table inet other; add chain inet other x; add table ip tierwall; add chain ip tierwall x", "-f", "-")
		// The last change is one to be noticed; the order of events is kept.
		f.nft(t, "add chain inet tierwall x", "-f", "-")
		<-f.plane.Changed()
		select {
		case <-f.plane.Changed():
			t.Error("another change was reported")
		default:
		}
	})
}

// TestOtherTables has tables of others stay as they are.
func TestOtherTables(t *testing.T) {
	f := newFixture(t)
	f.nft(t, `
		table ip tierwall {
			chain forward { type filter hook forward priority 0; accept; }
		}
		table inet other {
			set s {
				type ipv4_addr
				elements = { 10.0.0.1 }
			}
		}
	`, "-f", "-")
	before := f.nft(t, "", "list", "ruleset")
	f.apply(t, guarded())
	f.apply(t, emptyRuleset())
	f.nft(t, "delete table inet tierwall", "-f", "-")
	if diff := cmp.Diff(before, f.nft(t, "", "list", "ruleset")); diff != "" {
		t.Errorf("other tables changed (-want +got):\n%s", diff)
	}
}

// TestCounters has the counters of a decision go on through changes that do not
// concern it, and begin anew with the table.
func TestCounters(t *testing.T) {
	f := newFixture(t)
	f.apply(t, guarded())
	send := func() { f.check(t, f.probes(podA, world, unix.IPPROTO_TCP, 443, false)...) }
	count := func() uint64 {
		t.Helper()
		counters, err := f.plane.Counters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(counters) != 4 {
			t.Fatalf("%d counters, want 4: %v", len(counters), counters)
		}
		for _, c := range counters {
			if c.Decision == *decision(ruleset.Egress, ruleset.Admin, ruleset.Deny) {
				return c.Packets
			}
		}
		return 0
	}
	send()
	rs := guarded()
	rs.Stacks["out"].Table[1] = ruleset.Row{Rest: decision(ruleset.Egress, ruleset.Admin, ruleset.Accept)}
	delete(rs.Subjects, podB[0])
	f.apply(t, rs)
	send()
	if got := count(); got != 4 {
		t.Errorf("denied packets: %d, want 4", got)
	}
	if _, err := f.plane.Resync(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	send()
	if got := count(); got != 2 {
		t.Errorf("denied packets since the table was written anew: %d, want 2", got)
	}
}

// TestManyClasses has numbers beyond those that survive a reload.
func TestManyClasses(t *testing.T) {
	f := newFixture(t)
	rs := guarded()
	const class = 65792 // of whose bytes 256 is made too
	rs.Endpoints[world[0]] = class
	rs.Stacks["out"].Rows[class] = 1
	result := f.apply(t, rs)
	if !result.Unreloadable {
		t.Error("the result does not say that the table cannot be loaded back")
	}
	f.check(t, f.probes(podA, world, unix.IPPROTO_TCP, 443, true)[0], f.probes(podA, world, unix.IPPROTO_TCP, 443, false)[1])

	rs.Endpoints[world[0]] = numberLimit
	if _, err := f.plane.Apply(t.Context(), rs, nil); err == nil {
		t.Error("a class that has no number was applied")
	}
}
