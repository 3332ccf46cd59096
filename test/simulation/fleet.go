// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/controllers/agent"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

const (
	// policies is how many there are in the cluster.
	policies = 100
	// startTimeout is how long all agents may take to get in sync.
	startTimeout = 5 * time.Minute
)

// fleet is many agents in one process.
type fleet struct {
	agents  []*agent.Agent
	kernels []*kernel
	// bytes counts what all agents received, TLS included.
	bytes  atomic.Int64
	cancel context.CancelFunc
	ended  sync.WaitGroup
	errs   chan error
}

func newFleet(ctx context.Context, cluster *fakecluster.Cluster, count int) (*fleet, error) {
	f := &fleet{errs: make(chan error, count)}
	for i := range count {
		k := &kernel{synced: make(chan struct{})}
		a, err := agent.New(agent.Config{
			REST: f.counted(cluster.REST), NodeName: fakecluster.NodeName(i), Kernel: k, Domains: agent.NewDomains(nil), Proxy: fakecluster.NoProxy{},
			MetricsBindAddress: "0", HealthProbeBindAddress: "0", Registry: prometheus.NewRegistry(), Logger: logr.Discard(),
		})
		if err != nil {
			return nil, err
		}
		f.agents, f.kernels = append(f.agents, a), append(f.kernels, k)
	}
	return f, ctx.Err()
}

// counted returns a way to the API server over connections of its own, whose
// bytes are counted.
func (f *fleet) counted(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &countedConn{Conn: conn, bytes: &f.bytes}, err
	}
	return config
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

// Read is that of the connection.
func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

// start starts all agents at once, and returns how long it took until the last
// was in sync.
func (f *fleet) start(ctx context.Context) (time.Duration, error) {
	ctx, f.cancel = context.WithCancel(ctx)
	start := time.Now()
	for _, a := range f.agents {
		f.ended.Go(func() { f.errs <- a.Start(ctx) })
	}
	timeout := time.After(startTimeout)
	for _, k := range f.kernels {
		select {
		case <-k.synced:
		case err := <-f.errs:
			return 0, fmt.Errorf("an agent ended: %w", err)
		case <-timeout:
			return 0, fmt.Errorf("not all agents are in sync after %s", startTimeout)
		}
	}
	return time.Since(start), nil
}

// stop ends all agents.
func (f *fleet) stop() error {
	f.cancel()
	f.ended.Wait()
	close(f.errs)
	var errs []error
	for err := range f.errs {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// events returns how many changes of endpoints all agents made.
func (f *fleet) events() int64 {
	var sum int64
	for _, k := range f.kernels {
		sum += k.endpoints.Load()
	}
	return sum
}

// kernel is one that takes everything.
type kernel struct {
	once   sync.Once
	synced chan struct{}
	// endpoints counts changes, one for each pod that got another address.
	endpoints atomic.Int64
}

// Apply counts what it is told.
func (k *kernel) Apply(_ context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (dataplane.Result, error) {
	k.once.Do(func() { close(k.synced) })
	for a := range delta.Endpoints {
		if _, ok := rs.Endpoints[a]; ok {
			k.endpoints.Add(1)
		}
	}
	return dataplane.Result{}, nil
}

// Resync does nothing.
func (k *kernel) Resync(context.Context, *ruleset.Ruleset) (dataplane.Result, error) {
	return dataplane.Result{}, nil
}

// Counters returns none.
func (k *kernel) Counters(context.Context) ([]dataplane.Counter, error) { return nil, nil }

// Changed returns a channel that never receives.
func (k *kernel) Changed() <-chan struct{} { return nil }
