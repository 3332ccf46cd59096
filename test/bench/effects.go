// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

const (
	// effectTimeout is how long a write may take to have its effect.
	effectTimeout = 10 * time.Second
	// probePause is between two packets of the prober; it leaves the machine to
	// those that are measured.
	probePause = 100 * time.Microsecond
)

// effect is a write to the API that changes a verdict.
type effect struct {
	name string
	// prepare makes what must be there before; undo removes it and what was
	// written.
	prepare, write, undo func(ctx context.Context, i int) error
	// source is where the packets of the i-th time come from.
	source func(i int) netip.Addr
	// allowed is the verdict after the write.
	allowed bool
}

func effectSizes(e effort) []fakecluster.Size {
	if e.small {
		return []fakecluster.Size{{Pods: 1_000, Policies: 100}}
	}
	return []fakecluster.Size{{Pods: 1_000, Policies: 100}, {Pods: 10_000, Policies: 1_000}}
}

func runEffects(e effort) error {
	t := table{
		title: "From a write to the API until packets have the new verdict",
		head:  []string{"policies", "pods", "write", "p50 ms", "p90 ms", "of it the API call p50 ms"},
	}
	for _, size := range effectSizes(e) {
		if err := measureEffects(e, size, &t); err != nil {
			return fmt.Errorf("%d policies, %d pods: %w", size.Policies, size.Pods, err)
		}
	}
	return t.write(os.Stdout)
}

func measureEffects(e effort, size fakecluster.Size, t *table) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := newWorld(ctx, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	agent, err := startProcess(w.cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agent.stop()) }()
	time.Sleep(settleTime)
	for _, x := range w.effects() {
		total, call, err := w.repeat(ctx, e, x)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		t.add(fmt.Sprint(size.Policies), fmt.Sprint(size.Pods), x.name, millis(quantile(total, 0.5)), millis(quantile(total, 0.9)), millis(quantile(call, 0.5)))
	}
	return nil
}

// repeat measures an effect again and again.
func (w *world) repeat(ctx context.Context, e effort, x effect) (total, call []time.Duration, err error) {
	repeats := 60
	if e.small {
		repeats = 3
	}
	for i := range repeats {
		if err := w.settled(ctx, x, i, !x.allowed, x.prepare); err != nil {
			return nil, nil, fmt.Errorf("prepare: %w", err)
		}
		called := make(chan time.Duration, 1)
		start := time.Now()
		go func() {
			err = x.write(ctx, i)
			called <- time.Since(start)
		}()
		took, err2 := w.await(ctx, x.source(i), x.allowed, start)
		call = append(call, <-called)
		if err := errors.Join(err, err2); err != nil {
			return nil, nil, err
		}
		total = append(total, took)
		if err := x.undo(ctx, i); err != nil {
			return nil, nil, fmt.Errorf("undo: %w", err)
		}
	}
	return total, call, nil
}

// settled does something and waits until the verdict is so.
func (w *world) settled(ctx context.Context, x effect, i int, allowed bool, do func(context.Context, int) error) error {
	if err := do(ctx, i); err != nil {
		return err
	}
	if _, err := w.await(ctx, x.source(i), allowed, time.Now()); err != nil {
		return err
	}
	// Other work that the API server has with it is done by then.
	time.Sleep(20 * time.Millisecond)
	return nil
}

// await sends packets until one has the verdict, and returns the time since
// start.
func (w *world) await(ctx context.Context, source netip.Addr, allowed bool, start time.Time) (time.Duration, error) {
	for ; time.Since(start) < effectTimeout && ctx.Err() == nil; time.Sleep(probePause) {
		got, err := w.allowed(source)
		if err != nil || got == allowed {
			return time.Since(start), err
		}
	}
	return 0, fmt.Errorf("packets from %s do not have the expected verdict (allowed: %t) after %s", source, allowed, effectTimeout)
}

func (w *world) create(o func(i int) client.Object) func(context.Context, int) error {
	return func(ctx context.Context, i int) error { return w.cluster.Client.Create(ctx, o(i)) }
}

func (w *world) remove(o func(i int) client.Object) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		return w.cluster.Client.Delete(ctx, o(i), client.GracePeriodSeconds(0))
	}
}

func inTurn(steps ...func(context.Context, int) error) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		for _, step := range steps {
			if err := step(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
}
