// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/differential"
)

// fakeKernel stands for the dataplane. It believes deltas, as the dataplane
// does, and notices when one did not name everything that changed.
type fakeKernel struct {
	changed chan struct{}

	mu sync.Mutex
	// held is what the kernel enforces; nil before the first success.
	held *differential.Mirror
	// stale is true after a failure, until everything was compared again.
	stale bool
	// err fails the calls while it is set.
	err error
	// entered receives a value from each call if it is set, and release is
	// waited for.
	entered, release chan struct{}
	// operations are the calls so far.
	operations []string
	// lost tells what a delta did not name.
	lost     string
	counters []dataplane.Counter
}

func newFakeKernel() *fakeKernel { return &fakeKernel{changed: make(chan struct{}, 1)} }

func (f *fakeKernel) Apply(_ context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (dataplane.Result, error) {
	return f.call(operationApply, func() {
		if f.held == nil || f.stale {
			f.held = &differential.Mirror{Ruleset: *clone(rs)}
			return
		}
		f.held.Apply(rs, delta)
		if diff := cmp.Diff(clone(rs), &f.held.Ruleset, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" && f.lost == "" {
			f.lost = diff
		}
	})
}

func (f *fakeKernel) Resync(_ context.Context, rs *ruleset.Ruleset) (dataplane.Result, error) {
	return f.call(operationResync, func() { f.held = &differential.Mirror{Ruleset: *clone(rs)} })
}

func (f *fakeKernel) call(operation string, succeed func()) (dataplane.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.operations = append(f.operations, operation)
	if f.entered != nil {
		f.entered <- struct{}{}
		<-f.release
	}
	if f.err != nil {
		f.stale = true
		return dataplane.Result{}, f.err
	}
	succeed()
	f.stale = false
	return dataplane.Result{Messages: 1}, nil
}

func (f *fakeKernel) Counters(context.Context) ([]dataplane.Counter, error) {
	return slices.Clone(f.counters), nil
}

func (f *fakeKernel) Changed() <-chan struct{} { return f.changed }

// fail has all calls fail with err until it is nil again.
func (f *fakeKernel) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// calls returns the operations so far.
func (f *fakeKernel) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.operations)
}

// missed tells what deltas did not name; empty if nothing.
func (f *fakeKernel) missed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// verdict tells what decides about TCP from peer to port 80 of subject, and
// "none" if nothing does.
func (f *fakeKernel) verdict(subject, peer string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		return "nothing applied"
	}
	d := f.held.Decide(ruleset.Ingress, netip.MustParseAddr(subject), netip.MustParseAddr(peer), ruleset.TCP, 80)
	if d == nil {
		return "none"
	}
	return d.Action.String() + " " + d.Policy.String()
}

// clone copies a ruleset, which its compiler changes later.
func clone(rs *ruleset.Ruleset) *ruleset.Ruleset {
	c := *rs
	c.Subjects, c.Endpoints = maps.Clone(rs.Subjects), maps.Clone(rs.Endpoints)
	c.Networks = slices.Clone(rs.Networks)
	c.Stacks = map[ruleset.StackID]*ruleset.Stack{}
	for id, s := range rs.Stacks {
		stack := *s
		stack.Rows, stack.Table = maps.Clone(s.Rows), maps.Clone(s.Table)
		c.Stacks[id] = &stack
	}
	return &c
}

// fakeProxy stands for a DNS proxy that learns nothing.
type fakeProxy struct{}

func (fakeProxy) Known() []dns.Domain { return nil }

func (fakeProxy) Bounds() []dns.Bound { return nil }

func (fakeProxy) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
