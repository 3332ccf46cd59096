// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
)

// kernel is what the agent needs of the dataplane.
type kernel interface {
	// Apply brings the kernel's table up to date with rs, which differs from
	// the ruleset of the last call in what delta names; the first call takes
	// over the table that is there. After an error the table is as it was, and
	// the next call brings all of it up to date, whatever its delta.
	Apply(ctx context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (dataplane.Result, error)
	// Resync makes the kernel's table what rs says, whatever it is now. After
	// an error the table is as it was.
	Resync(ctx context.Context, rs *ruleset.Ruleset) (dataplane.Result, error)
	// Counters reads what each decision has counted. It may be called while
	// the other methods run.
	Counters(ctx context.Context) ([]dataplane.Counter, error)
	// Changed receives a value when somebody else changes the table.
	Changed() <-chan struct{}
}

// The operations on the kernel, as they appear in metrics.
const (
	operationApply  = "apply"
	operationResync = "resync"
)

// applier brings the kernel up to date, and tries again when that fails. The
// last table that was applied stays enforced in between.
type applier struct {
	loopConfig
	// begun is true after the first success.
	begun bool
	// pending is true if the kernel may not have the last ruleset.
	pending bool
	// whole asks for a Resync: somebody else changed the table.
	whole bool
	// received are the events that the kernel does not know yet; at most
	// maxBatch of them, the others go unmeasured.
	received []message
	// awaited are closed once the kernel has all that was taken so far.
	awaited []chan struct{}
	// committed is true if the kernel took something since the last finish.
	committed bool
	// delay grows with every failure in a row; timer runs from a failure to
	// the next try.
	delay wait.Backoff
	timer <-chan time.Time
	// failure is the text of the last error; empty after a success.
	failure string
	// oversize is what was last said about the ruleset's size.
	oversize string
}

func newApplier(cfg loopConfig) *applier {
	return &applier{loopConfig: cfg, pending: true, delay: retryDelay()}
}

// retryDelay is the back-off after failures: 100 ms, doubling up to 15 s.
func retryDelay() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 100, Cap: 15 * time.Second}
}

// note remembers an event until the kernel has it.
func (a *applier) note(m message) {
	if len(a.received) < maxBatch {
		a.received = append(a.received, message{source: m.source, received: m.received})
	}
}

// await lets those know who wait for the message, once the kernel has it.
func (a *applier) await(m message) {
	if m.done != nil {
		a.awaited = append(a.awaited, m.done)
	}
}

// repair asks for a Resync with the next apply.
func (a *applier) repair() { a.pending, a.whole = true, true }

// retry receives a value when it is time to try again after a failure.
func (a *applier) retry() <-chan time.Time { return a.timer }

// due lets the next apply try again.
func (a *applier) due() { a.timer = nil }

// apply brings the kernel up to date with the compiler's ruleset, which differs
// from that of the last call in what delta names. After a failure it does nothing until it is
// time to try again; no delta is lost by that, as everything is compared then.
func (a *applier) apply(ctx context.Context, c *ruleset.Compiler, delta *ruleset.Delta) {
	if a.timer != nil {
		return
	}
	if !a.pending && delta.Empty() {
		return
	}
	operation, start := operationApply, time.Now()
	if a.whole {
		operation = operationResync
	}
	result, err := a.commit(ctx, c.Ruleset(), delta)
	if ctx.Err() != nil {
		a.pending = true
		return
	}
	a.metrics.observeOperation(operation, time.Since(start), result, err)
	if err != nil {
		a.failed(err)
		return
	}
	a.succeeded(c.Stats(), result)
}

func (a *applier) commit(ctx context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (dataplane.Result, error) {
	if a.whole {
		return a.kernel.Resync(ctx, rs)
	}
	return a.kernel.Apply(ctx, rs, delta)
}

func (a *applier) failed(err error) {
	a.pending = true
	a.timer = time.After(a.delay.Step())
	a.health.failed(err)
	if a.failure != err.Error() {
		a.log.Error(err, "Cannot apply the ruleset; the last one stays enforced, and this one is retried")
	}
	a.failure = err.Error()
}

func (a *applier) succeeded(stats ruleset.Stats, result dataplane.Result) {
	if a.failure != "" {
		a.log.Info("Applied the ruleset after failures")
	}
	if !a.begun {
		a.log.Info("Enforcing", "policies", stats.Policies, "pods", stats.Pods, "subjects", stats.Subjects, "classes", stats.Classes, "stacks", stats.Stacks)
	}
	a.begun, a.pending, a.whole, a.failure, a.delay = true, false, false, "", retryDelay()
	a.health.succeeded()
	a.metrics.observeRuleset(stats, result)
	a.size.Store(&stats)
	if large := oversize(stats); large != a.oversize {
		a.oversize = large
		if large != "" {
			a.log.Info("The ruleset is large: policies tell many peers of this node's pods apart. It is enforced, but costs memory and time; see docs/performance.md",
				"large", large, "classes", stats.Classes, "rows", stats.Rows, "networks", stats.Networks)
		}
	}
	a.committed = true
}

// finish is called when the kernel was brought to the last step of an update. It
// measures how long the events took that changed something.
func (a *applier) finish() {
	if a.pending {
		return
	}
	if a.committed {
		a.metrics.observeCommit(a.received, time.Now())
	}
	a.received, a.committed = a.received[:0], false
	for _, done := range a.awaited {
		close(done)
	}
	a.awaited = nil
}
