// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command simulation runs many agents, without kernels, against one API server
// with pods that do not exist, and measures what they cost it: as they start,
// and while pods change. It needs root, works in a network namespace of its own,
// and writes Markdown to standard output.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// eventRate is how many pod events there are in a second.
const eventRate = 100

func main() {
	os.Exit(run())
}

// run returns the exit status.
func run() int {
	isolated, status, err := netnstest.Isolate()
	if err == nil && isolated {
		err = simulate()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return status
}

// options are the program's flags.
type options struct {
	agents   []int
	pods     int
	duration time.Duration
	// moves counts the pods that got another address.
	moves int
}

func simulate() error {
	ctrllog.SetLogger(logr.Discard())
	var o options
	cmd := &cobra.Command{
		Use: "simulation", Short: "Measure what many agents cost one API server", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().IntSliceVar(&o.agents, "agents", []int{1, 10, 20, 40}, "numbers of agents to run, one after the other")
	cmd.Flags().IntVar(&o.pods, "pods", 10_000, "number of pods")
	cmd.Flags().DurationVar(&o.duration, "duration", 20*time.Second, "how long pods change")
	return cmd.ExecuteContext(context.Background())
}

func (o *options) run(ctx context.Context) (err error) {
	namespace, err := netnstest.CurrentNamespace()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, namespace.Close()) }()
	cluster, err := fakecluster.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if err := cluster.Fill(ctx, fakecluster.Size{Pods: o.pods, Policies: policies}); err != nil {
		return err
	}
	fmt.Printf("\n### %d pods, %d policies, %d pod events/s for %s\n\n", o.pods, policies, eventRate, o.duration)
	fmt.Println("| agents | start of all s | start: MiB received per agent | API server CPU s per agent's start | events/s per agent | kB/s per agent | bytes per event | " +
		"agent CPU % | API server CPU % | without agents % | etcd CPU % | API server RSS MiB |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	idle, err := o.churn(ctx, cluster)
	if err != nil {
		return err
	}
	for _, agents := range o.agents {
		if err := o.measure(ctx, cluster, agents, idle); err != nil {
			return fmt.Errorf("%d agents: %w", agents, err)
		}
	}
	return nil
}

// measure starts agents and has pods change.
func (o *options) measure(ctx context.Context, cluster *fakecluster.Cluster, agents int, idle load) (err error) {
	before, err := cluster.UsageOf("kube-apiserver")
	if err != nil {
		return err
	}
	f, err := newFleet(ctx, cluster, agents)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	took, err := f.start(ctx)
	if err != nil {
		return err
	}
	synced, err := cluster.UsageOf("kube-apiserver")
	if err != nil {
		return err
	}
	startBytes, startEvents := f.bytes.Load(), f.events()
	l, err := o.churn(ctx, cluster)
	if err != nil {
		return err
	}
	n, seconds := float64(agents), l.duration.Seconds()
	received, events := float64(f.bytes.Load()-startBytes)/n, float64(f.events()-startEvents)/n
	fmt.Printf("| %d | %.2f | %.1f | %.2f | %.1f | %.0f | %.0f | %.2f | %.1f | %.1f | %.1f | %.0f |\n", agents, took.Seconds(), float64(startBytes)/n/(1<<20),
		(synced.CPU-before.CPU).Seconds()/n, events/seconds, received/seconds/1000, received/max(events, 1),
		l.share(l.agents)/n, l.share(l.apiserver), idle.share(idle.apiserver), l.share(l.etcd), float64(synced.Resident)/(1<<20))
	return nil
}

// load is the CPU time of a while in which pods changed.
type load struct {
	duration, apiserver, etcd, agents time.Duration
}

// share returns a CPU time in per cent of the duration.
func (l load) share(cpu time.Duration) float64 { return 100 * cpu.Seconds() / l.duration.Seconds() }

// churn gives pods new addresses at a steady rate.
func (o *options) churn(ctx context.Context, cluster *fakecluster.Cluster) (load, error) {
	before, err := usage(cluster)
	if err != nil {
		return load{}, err
	}
	start := time.Now()
	ticker := time.NewTicker(time.Second / eventRate)
	defer ticker.Stop()
	for time.Since(start) < o.duration {
		<-ticker.C
		if err := cluster.PutPods(ctx, o.moved()); err != nil {
			return load{}, err
		}
	}
	// The last events are on their way.
	time.Sleep(time.Second)
	after, err := usage(cluster)
	return load{
		duration: time.Since(start), apiserver: after.apiserver - before.apiserver, etcd: after.etcd - before.etcd, agents: after.agents - before.agents,
	}, err
}

// moved returns a pod with an address that no pod had before.
func (o *options) moved() *corev1.Pod {
	pod := fakecluster.Pod(o.moves%o.pods, policies)
	address := fakecluster.Address(1<<22 + o.moves).String()
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	o.moves++
	return pod
}

// usage returns the CPU times so far. This program's is the agents', and the
// little that it takes to write pods.
func usage(cluster *fakecluster.Cluster) (load, error) {
	apiserver, err1 := cluster.UsageOf("kube-apiserver")
	etcd, err2 := cluster.UsageOf("etcd")
	self, err3 := fakecluster.UsageOf(os.Getpid())
	return load{apiserver: apiserver.CPU, etcd: etcd.CPU, agents: self.CPU}, errors.Join(err1, err2, err3)
}
