// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

// maxBatch bounds how many messages are taken before the kernel is brought up
// to date with them.
const maxBatch = 1024

// loopConfig is what a loop is made of; all fields are required.
type loopConfig struct {
	nodeName string
	// sources are the names of those to wait for before anything is applied.
	sources []string
	in      <-chan message
	// domains are told which names policies have.
	domains *Domains
	// known is what the DNS proxy learned before.
	known   []dns.Domain
	kernel  kernel
	metrics *metrics
	health  *health
	// size takes that of the ruleset in force.
	size *atomic.Pointer[ruleset.Stats]
	log  logr.Logger
}

// loop owns the compiler, and is the only one that changes the kernel.
type loop struct {
	loopConfig
	compiler *ruleset.Compiler
	applier  *applier
	// waiting are the sources that have not been in sync yet.
	waiting sets.Set[string]
	// renamed is true if policies may have other domain names than before.
	renamed bool
	// intruders limits how often somebody else's changes are repaired, so that
	// two programs that fight over the table do not eat the node.
	intruders *rate.Limiter
}

func newLoop(cfg loopConfig) *loop {
	l := &loop{
		loopConfig: cfg,
		compiler:   ruleset.NewCompiler(cfg.nodeName),
		applier:    newApplier(cfg),
		waiting:    sets.New(cfg.sources...),
		intruders:  rate.NewLimiter(rate.Every(5*time.Second), 1),
	}
	for _, domain := range cfg.known {
		l.compiler.SetDomain(domain.Name, domain.Addresses)
	}
	return l
}

// run takes messages until ctx ends.
func (l *loop) run(ctx context.Context) {
	if !l.sync(ctx) {
		return
	}
	l.update(ctx)
	var repair <-chan time.Time
	for {
		changed := l.kernel.Changed()
		if repair != nil {
			changed = nil
		}
		select {
		case <-ctx.Done():
			return
		case m := <-l.in:
			l.take(m)
			l.drain()
		case <-changed:
			repair = time.After(l.intruders.Reserve().Delay())
			continue
		case <-repair:
			repair = nil
			l.log.Info("Somebody else changed Tierwall's table; repairing it")
			l.applier.repair()
		case <-l.applier.retry():
			l.applier.due()
		}
		l.update(ctx)
	}
}

// sync takes messages until every source was in sync; false if ctx ended first.
func (l *loop) sync(ctx context.Context) bool {
	for l.waiting.Len() > 0 {
		select {
		case <-ctx.Done():
			return false
		case m := <-l.in:
			l.health.busy()
			l.take(m)
			l.health.idle()
		}
	}
	l.log.Info("All sources are in sync; taking over the kernel's table")
	return true
}

func (l *loop) take(m message) {
	for _, s := range m.steps {
		s(l.compiler)
	}
	l.renamed = l.renamed || m.source != sourceDomains
	l.applier.await(m)
	if m.synced && l.waiting.Has(m.source) {
		l.waiting.Delete(m.source)
		l.log.Info("Source is in sync", "source", m.source, "waitingFor", sets.List(l.waiting))
	}
	if l.waiting.Len() == 0 {
		l.applier.note(m)
	}
}

// drain takes what is there already, so that a burst is applied as one.
func (l *loop) drain() {
	for range maxBatch {
		select {
		case m := <-l.in:
			l.take(m)
		default:
			return
		}
	}
}

// update brings the ruleset, and then the kernel, up to date: step by step once
// the kernel enforces something, so that no step opens or closes more than what
// changed.
func (l *loop) update(ctx context.Context) {
	l.health.busy()
	defer l.health.idle()
	defer l.applier.finish()
	defer func() { l.renamed = false }()
	if !l.applier.begun {
		delta := l.compiler.Update()
		l.publish()
		l.applier.apply(ctx, l.compiler, delta)
		// The start is what an agent needs most memory for. What it left would stay
		// resident: too little happens afterwards to make Go collect it.
		debug.FreeOSMemory()
		return
	}
	for delta := range l.compiler.Steps() {
		l.publish()
		l.applier.apply(ctx, l.compiler, delta)
	}
}

// publish tells the DNS proxy what to learn, before the kernel brings it the
// queries for that.
func (l *loop) publish() {
	if l.renamed {
		l.domains.publish(l.compiler.Domains())
	}
}
