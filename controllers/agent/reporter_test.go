// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

// fakeBounds stands for a DNS proxy with one bound.
type fakeBounds struct{ hits atomic.Uint64 }

func (f *fakeBounds) Bounds() []dns.Bound {
	return []dns.Bound{{Name: dns.BoundNames, Limit: 7, Hits: f.hits.Load()}}
}

// fakePod stands for the agent's pod at the API server. Like that it refuses
// what is meant for another pod.
type fakePod struct {
	mu         sync.Mutex
	conditions []metav1.Condition
	// writes are the reasons that each write had; tries counts all calls.
	writes [][]string
	tries  int
	err    error
}

func (f *fakePod) read(context.Context) (types.UID, []metav1.Condition, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	return "uid", slices.Clone(f.conditions), f.err
}

func (f *fakePod) write(_ context.Context, uid types.UID, conditions []metav1.Condition) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if uid != "uid" {
		return errors.New("another pod")
	}
	if f.err != nil {
		return f.err
	}
	var reasons []string
	for _, c := range conditions {
		reasons = append(reasons, c.Reason)
	}
	f.writes = append(f.writes, reasons)
	f.conditions = slices.Clone(conditions)
	return nil
}

func (f *fakePod) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.tries = err, 0
}

// report sets what the last process reported.
func (f *fakePod) report(conditions []metav1.Condition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conditions = conditions
}

// now returns the conditions that the pod has.
func (f *fakePod) now() []metav1.Condition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.conditions)
}

// written returns the reasons that each write had.
func (f *fakePod) written() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

// calls returns how many there were since the last call of fail.
func (f *fakePod) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tries
}

// reporting is a reporter that runs, and what it looks at.
type reporting struct {
	proxy fakeBounds
	pod   fakePod
	size  atomic.Pointer[ruleset.Stats]
	logs  atomic.Int64
}

// withReporter runs a test in a time of its own. The ruleset was applied.
func withReporter(t *testing.T, test func(*testing.T, *reporting)) {
	synctest.Test(t, func(t *testing.T) {
		f := &reporting{}
		f.size.Store(&ruleset.Stats{})
		log := funcr.New(func(string, string) { f.logs.Add(1) }, funcr.Options{})
		r := newReporter(reporterConfig{pod: &f.pod, proxy: &f.proxy, size: &f.size, log: log})
		var done sync.WaitGroup
		done.Go(func() { r.run(t.Context()) })
		t.Cleanup(done.Wait)
		test(t, f)
	})
}

// wait lets a reporter look once more.
func (*reporting) wait(d time.Duration) {
	time.Sleep(d + reportInterval)
	synctest.Wait()
}

var within = []string{ReasonWithinBounds, ReasonWithinBounds}

func TestReporterWritesOnlyChanges(t *testing.T) {
	withReporter(t, func(t *testing.T, f *reporting) {
		f.wait(time.Hour)
		expect(t, f.pod.written(), [][]string{within})

		for range 100 {
			f.proxy.hits.Add(3)
			f.wait(time.Minute)
		}
		expect(t, f.pod.written(), [][]string{within, {ReasonTooManyNames, ReasonWithinBounds}})
		since := f.pod.now()[0].LastTransitionTime

		f.wait(hitMemory)
		expect(t, f.pod.written(), [][]string{within, {ReasonTooManyNames, ReasonWithinBounds}, within})
		if now := f.pod.now()[0].LastTransitionTime; !since.Before(&now) {
			t.Errorf("the transition is not later than %s: %s", since, now)
		}
		if c := f.pod.now(); !c[1].LastTransitionTime.Before(&since) {
			t.Errorf("the ruleset's condition has another transition: %s", c[1].LastTransitionTime)
		}
	})
}

func TestReporterTellsOfALargeRulesetForAsLongAsItIs(t *testing.T) {
	withReporter(t, func(t *testing.T, f *reporting) {
		f.size.Store(&ruleset.Stats{Classes: largeClasses + 1})
		f.wait(3 * hitMemory)
		f.size.Store(&ruleset.Stats{})
		f.wait(hitMemory / 2)
		expect(t, f.pod.written(), [][]string{{ReasonWithinBounds, ReasonManyClasses}})
		f.wait(hitMemory)
		expect(t, f.pod.written(), [][]string{{ReasonWithinBounds, ReasonManyClasses}, within})
	})
}

func TestReporterSaysNothingBeforeARulesetIsInForce(t *testing.T) {
	withReporter(t, func(t *testing.T, f *reporting) {
		f.size.Store(nil)
		f.wait(time.Minute)
		expect(t, f.pod.calls(), 0)
	})
}

func TestReporterRetriesWithBackOffAndForgetsNothing(t *testing.T) {
	withReporter(t, func(t *testing.T, f *reporting) {
		f.wait(0)
		f.pod.fail(errors.New("the server is away"))
		f.proxy.hits.Add(1)
		f.wait(hitMemory / 2)
		if tries := f.pod.calls(); tries < 5 || tries > 10 {
			t.Errorf("%d tries in %s of failures, not an exponential back-off", tries, hitMemory/2)
		}
		expect(t, int(f.logs.Load()), 1)
		f.pod.fail(nil)
		f.wait(hitMemory/2 - time.Minute)
		expect(t, f.pod.written(), [][]string{within, {ReasonTooManyNames, ReasonWithinBounds}})
	})
}

func TestReporterGoesOnFromWhatTheLastProcessReported(t *testing.T) {
	withReporter(t, func(t *testing.T, f *reporting) {
		f.pod.report([]metav1.Condition{
			{Type: "Ready", Status: metav1.ConditionTrue},
			{Type: ConditionRulesetWithinBounds, Status: metav1.ConditionFalse, Reason: ReasonManyRows, Message: "Many rows."},
			{Type: ConditionDomainNamesWithinBounds, Status: metav1.ConditionTrue, Reason: ReasonWithinBounds, Message: noneDropped},
		})
		f.wait(hitMemory / 2)
		expect(t, len(f.pod.written()), 0)
		f.wait(hitMemory)
		expect(t, f.pod.written(), [][]string{within})
	})
}
