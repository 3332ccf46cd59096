// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"

	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

const (
	// settleTime is how long an agent may rest before its memory is read again,
	// and how long the kernel may take to give memory back.
	settleTime = 5 * time.Second
	// churnRate is how many pod events a second the agent gets.
	churnRate = 100
)

// sizeCounts are the clusters that agents start in.
func sizeCounts(e effort) []fakecluster.Size {
	if e.small {
		return []fakecluster.Size{{Pods: 1_000, Policies: 100}}
	}
	return []fakecluster.Size{{Pods: 1_000, Policies: 100}, {Pods: 10_000, Policies: 1_000}, {Pods: 100_000, Policies: 1_000}, {Pods: 100_000, Policies: 10_000}}
}

func runSizes(e effort) error {
	t := table{
		title: "The agent: from start to in sync, and at rest",
		head: []string{"pods", "policies", "start to in sync s", "restart s", "CPU s", "peak RSS MiB", "RSS MiB", "RSS after churn MiB", "table in kernel MiB",
			fmt.Sprintf("CPU at %d pod events/s", churnRate), "allowed packets lost at start and restart"},
	}
	for _, size := range sizeCounts(e) {
		fmt.Fprintf(os.Stderr, "%d pods, %d policies\n", size.Pods, size.Policies)
		if err := measureSize(e, size, &t); err != nil {
			return fmt.Errorf("%d pods: %w", size.Pods, err)
		}
	}
	return t.write(os.Stdout)
}

// life is what was seen of two agents, one after the other.
type life struct {
	start, restart           time.Duration
	synced, resting, churned fakecluster.Usage
	churnShare               float64
	packetsLost, packetsSent int
	tableBytes               uint64
}

func measureSize(e effort, size fakecluster.Size, t *table) (err error) {
	w, err := newWorld(context.Background(), size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	l, err := w.live(e)
	if err != nil {
		return err
	}
	t.add(fmt.Sprint(size.Pods), fmt.Sprint(size.Policies), seconds(l.start), seconds(l.restart), seconds(l.synced.CPU),
		mebibytes(l.synced.Peak), mebibytes(l.resting.Resident), mebibytes(l.churned.Resident), mebibytes(l.tableBytes),
		fmt.Sprintf("%.1f %%", 100*l.churnShare), fmt.Sprintf("%d of %d", l.packetsLost, l.packetsSent))
	return nil
}

// live starts an agent, starts it again, and has it follow changes, while
// packets are sent that must pass all the time.
func (w *world) live(e effort) (life, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	probes := w.probe(ctx)
	var l life
	if err := w.firstLife(&l); err != nil {
		return l, err
	}
	if err := w.secondLife(ctx, e, &l); err != nil {
		return l, err
	}
	cancel()
	var err error
	if l.packetsLost, l.packetsSent, err = probes.result(); err != nil {
		return l, err
	}
	l.tableBytes, err = w.tableMemory()
	return l, err
}

func (w *world) firstLife(l *life) error {
	agent, err := startProcess(w.cluster)
	if err != nil {
		return err
	}
	l.start = agent.synced.Sub(agent.started)
	l.synced, err = agent.usage()
	return errors.Join(err, agent.stop())
}

func (w *world) secondLife(ctx context.Context, e effort, l *life) error {
	agent, err := startProcess(w.cluster)
	if err != nil {
		return err
	}
	l.restart = agent.synced.Sub(agent.started)
	time.Sleep(settleTime)
	var errs [3]error
	l.resting, errs[0] = agent.usage()
	l.churnShare, errs[1] = w.churn(ctx, e, agent)
	l.churned, errs[2] = agent.usage()
	return errors.Join(errors.Join(errs[:]...), agent.stop())
}

// churn gives pods of other nodes new addresses, at a steady rate, and returns
// the share of a CPU that the agent used meanwhile.
func (w *world) churn(ctx context.Context, e effort, agent *process) (float64, error) {
	duration := 20 * time.Second
	if e.small {
		duration = 2 * time.Second
	}
	before, err := agent.usage()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	ticker := time.NewTicker(time.Second / churnRate)
	defer ticker.Stop()
	for i := 0; time.Since(start) < duration; i++ {
		<-ticker.C
		if err := w.cluster.PutPods(ctx, w.moved(i)); err != nil {
			return 0, err
		}
	}
	after, err := agent.usage()
	return (after.CPU - before.CPU).Seconds() / time.Since(start).Seconds(), err
}

// tableMemory returns the kernel memory of the table, in bytes: what the kernel
// has less of, after it was deleted. The agent must have ended.
func (w *world) tableMemory() (uint64, error) {
	time.Sleep(settleTime)
	with, err := kernelMemory()
	if err != nil {
		return 0, err
	}
	if err := w.deleteTable(); err != nil {
		return 0, err
	}
	time.Sleep(settleTime)
	without, err := kernelMemory()
	return max(with, without) - without, err
}

// kernelMemory returns the bytes that are in use and neither a program's nor
// files'.
func kernelMemory() (uint64, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	m, err := fs.Meminfo()
	if err != nil {
		return 0, err
	}
	return *m.MemTotalBytes - *m.MemFreeBytes - *m.BuffersBytes - *m.CachedBytes - *m.AnonPagesBytes, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
