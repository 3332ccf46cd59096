// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/controllers/agent"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// artifacts is the directory for what the make targets leave.
const artifacts = "_artifacts"

// runProfile runs an agent inside this program until it is in sync, and writes
// profiles of that.
func runProfile(e effort) (err error) {
	size := fakecluster.Size{Pods: 100_000, Policies: 1_000}
	if e.small {
		size = fakecluster.Size{Pods: 1_000, Policies: 100}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := newWorld(ctx, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	d, err := dataplane.New(dataplane.Config{})
	if err != nil {
		return err
	}
	k := &syncedKernel{Dataplane: d, synced: make(chan struct{})}
	a, err := agent.New(agent.Config{
		REST: w.cluster.REST, NodeName: fakecluster.NodeName(0), Kernel: k, Domains: agent.NewDomains(nil), Proxy: fakecluster.NoProxy{}, MetricsBindAddress: "0", HealthProbeBindAddress: "0",
		Registry: prometheus.NewRegistry(), Logger: logr.Discard(),
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	defer func() { cancel(); err = errors.Join(err, <-ended, d.Close()) }()
	return writeProfiles(func() error {
		go func() { ended <- a.Start(ctx) }()
		select {
		case <-k.synced:
			return nil
		case <-time.After(syncTimeout):
			return fmt.Errorf("the agent is not in sync after %s", syncTimeout)
		}
	})
}

// syncedKernel is a kernel that tells when it was first brought up to date.
type syncedKernel struct {
	*dataplane.Dataplane
	once   sync.Once
	synced chan struct{}
}

// Apply is that of the Dataplane.
func (k *syncedKernel) Apply(ctx context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (dataplane.Result, error) {
	result, err := k.Dataplane.Apply(ctx, rs, delta)
	if err == nil {
		k.once.Do(func() { close(k.synced) })
	}
	return result, err
}

// writeProfiles writes what f costs, and what it leaves in memory.
func writeProfiles(f func() error) (err error) {
	cpu, err := create("agent-cpu.pprof")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	heap, err := create("agent-heap.pprof")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, heap.Close()) }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	runtime.GC()
	return pprof.WriteHeapProfile(heap)
}

// create creates a file among those that the make targets leave.
func create(name string) (*os.File, error) {
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(artifacts, name))
}
