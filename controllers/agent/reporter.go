// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

const (
	// reportInterval is how often a reporter looks at the bounds.
	reportInterval = 5 * time.Second
	// reportTimeout is how long the API server may take.
	reportTimeout = 10 * time.Second
)

// The messages of conditions that are True.
const (
	noneDropped = "No DNS query or answer was dropped because of a bound."
	noneLarge   = "No part of the ruleset is unusually large."
)

// ownPod is what a reporter needs of the API server.
type ownPod interface {
	// read returns the UID of the pod that the agent runs in, and all its
	// conditions.
	read(ctx context.Context) (types.UID, []metav1.Condition, error)
	// write makes these the agent's conditions of the pod. Others stay. It fails
	// if the pod has another UID.
	write(ctx context.Context, uid types.UID, conditions []metav1.Condition) error
}

// reporterConfig is what a reporter is made of; all fields are required.
type reporterConfig struct {
	pod ownPod
	// proxy is asked which of its bounds were hit.
	proxy interface{ Bounds() []dns.Bound }
	// size is that of the ruleset in force; nil before there is one.
	size *atomic.Pointer[ruleset.Stats]
	log  logr.Logger
}

// reporter tells of bounds that were hit in conditions of the agent's pod. It
// only reads what others count, so that neither packets nor policies ever wait
// for the API server to take a report.
type reporter struct {
	reporterConfig
	domains, ruleset *tracker
	// hits are how often bounds of the proxy were hit when last looked at.
	hits map[string]uint64
	// uid is that of the pod, empty before it was read; reported are the
	// conditions that the API server has from this agent.
	uid      types.UID
	reported []metav1.Condition
	// delay grows with every failure in a row; nothing is tried before next.
	delay wait.Backoff
	next  time.Time
	// failure is the text of the last error; empty after a success.
	failure string
}

func newReporter(cfg reporterConfig) *reporter {
	return &reporter{
		reporterConfig: cfg,
		domains:        newTracker(ConditionDomainNamesWithinBounds, noneDropped),
		ruleset:        newTracker(ConditionRulesetWithinBounds, noneLarge),
		hits:           map[string]uint64{},
		delay:          reportDelay(),
	}
}

// reportDelay is the back-off after failures: 5 s, doubling up to 5 min.
func reportDelay() wait.Backoff {
	return wait.Backoff{Duration: reportInterval, Factor: 2, Jitter: 0.1, Steps: 100, Cap: 5 * time.Minute}
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.report(ctx, time.Now())
		}
	}
}

// report looks at the bounds, and writes the conditions if that changes them.
func (r *reporter) report(ctx context.Context, now time.Time) {
	size := r.size.Load()
	if size == nil {
		return
	}
	r.domains.note(now, dropped(r.proxy.Bounds(), r.hits))
	r.ruleset.note(now, overgrown(*size))
	if now.Before(r.next) {
		return
	}
	err := r.write(ctx, now)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.failed(now, err)
	default:
		r.failure, r.delay = "", reportDelay()
	}
}

func (r *reporter) write(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := r.resume(ctx, now); err != nil {
		return err
	}
	next, changed := slices.Clone(r.reported), false
	for _, t := range []*tracker{r.domains, r.ruleset} {
		changed = meta.SetStatusCondition(&next, t.condition(now)) || changed
	}
	if !changed {
		return nil
	}
	if err := r.pod.write(ctx, r.uid, next); err != nil {
		return err
	}
	r.reported = next
	return nil
}

// resume reads, once, what was reported before the agent's container restarted.
func (r *reporter) resume(ctx context.Context, now time.Time) error {
	if r.uid != "" {
		return nil
	}
	uid, conditions, err := r.pod.read(ctx)
	if err != nil {
		return err
	}
	r.uid = uid
	for _, t := range []*tracker{r.domains, r.ruleset} {
		if c := meta.FindStatusCondition(conditions, t.kind); c != nil {
			t.resume(now, *c)
			r.reported = append(r.reported, *c)
		}
	}
	return nil
}

func (r *reporter) failed(now time.Time, err error) {
	r.next = now.Add(r.delay.Step())
	if r.failure != err.Error() {
		r.log.Error(err, "Cannot report conditions of the agent's pod; that is retried, and enforcement does not depend on it")
	}
	r.failure = err.Error()
}
