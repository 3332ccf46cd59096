// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tierwall/tierwall/controllers/agent/slim"
	"github.com/tierwall/tierwall/controllers/internal/kube"
	"github.com/tierwall/tierwall/ruleset"
)

// Config is what an Agent is made of.
type Config struct {
	// REST says how to reach the API server. Required.
	REST *rest.Config
	// NodeName is the name of the node whose pods are protected. Required.
	NodeName string
	// Kernel enforces the ruleset; it is a *dataplane.Dataplane. Required. The
	// agent does not close it.
	Kernel kernel
	// Domains is what the DNS proxy was made with, and Proxy the proxy itself,
	// which the agent runs. Required.
	Domains *Domains
	Proxy   proxy
	// Pod is the pod that the agent runs in, in whose status it reports
	// conditions. Without name and namespace it reports none.
	Pod types.NamespacedName
	// MetricsBindAddress is where metrics are served; "0" for nowhere.
	MetricsBindAddress string
	// HealthProbeBindAddress is where /healthz and /readyz are served; "0" for
	// nowhere.
	HealthProbeBindAddress string
	// Registry takes the agent's metrics. Required; controller-runtime's own
	// registry is the one that is served.
	Registry prometheus.Registerer
	// Logger is told what happens. Required.
	Logger logr.Logger
}

// Agent keeps the kernel of one node in step with the API server.
type Agent struct {
	manager manager.Manager
	client  client.WithWatch
	loop    *loop
	proxy   proxy
	// beside is what runs beside the loop and the proxy: the sources, and the
	// reporter if the agent has a pod.
	beside []interface{ run(context.Context) }
}

// New returns an agent that has not started: neither the API server nor the
// kernel was asked for anything.
func New(cfg Config) (*Agent, error) {
	m, err := newManager(cfg)
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(m.GetConfig(), client.Options{Scheme: m.GetScheme(), Mapper: m.GetRESTMapper(), HTTPClient: m.GetHTTPClient()})
	if err != nil {
		return nil, fmt.Errorf("creating the API client: %w", err)
	}
	a := &Agent{manager: m, client: c, proxy: cfg.Proxy}
	if err := a.build(cfg); err != nil {
		return nil, err
	}
	return a, m.Add(manager.RunnableFunc(a.run))
}

func newManager(cfg Config) (manager.Manager, error) {
	scheme, err := kube.NewScheme()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(cfg.REST)
	config.Wrap(slim.Transport)
	m, err := manager.New(config, manager.Options{
		Scheme:                 scheme,
		MapperProvider:         func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return kube.NewMapper(), nil },
		Logger:                 cfg.Logger,
		Metrics:                metricsserver.Options{BindAddress: cfg.MetricsBindAddress},
		HealthProbeBindAddress: cfg.HealthProbeBindAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the agent for %s: %w", cfg.REST.Host, err)
	}
	return m, nil
}

// build makes the sources, the loop, and what watches over them.
func (a *Agent) build(cfg Config) error {
	messages := make(chan message, maxBatch)
	metrics, health, size := newMetrics(), &health{}, &atomic.Pointer[ruleset.Stats]{}
	base := sourceConfig{client: a.client, out: messages, metrics: metrics, log: cfg.Logger}
	var names []string
	cfg.Domains.out = messages
	for _, k := range kinds() {
		sc := base
		sc.kind = k
		if k.name == sourcePods {
			sc.kind = cfg.Domains.watch(k)
		}
		a.beside = append(a.beside, newSource(sc))
		names = append(names, k.name)
	}
	base.kind = upstreamKind()
	a.beside = append(a.beside, newOptionalSource(base))
	a.loop = newLoop(loopConfig{
		nodeName: cfg.NodeName,
		sources:  append(names, base.kind.name),
		in:       messages,
		domains:  cfg.Domains,
		known:    cfg.Proxy.Known(),
		kernel:   cfg.Kernel,
		metrics:  metrics,
		health:   health,
		size:     size,
		log:      cfg.Logger,
	})
	if cfg.Pod != (types.NamespacedName{}) {
		a.beside = append(a.beside, newReporter(reporterConfig{
			pod: podStatus{a.client, cfg.Pod}, proxy: cfg.Proxy, size: size, log: cfg.Logger,
		}))
	}
	return errors.Join(
		metrics.register(cfg.Registry, newRuleCounters(cfg.Kernel, cfg.Logger)),
		a.manager.AddHealthzCheck("loop", health.live),
		a.manager.AddReadyzCheck("applied", health.ready),
	)
}

// Start runs the agent until ctx ends, and then returns nil; what the kernel
// enforces stays. It returns an error, with the remedy, if the cluster is not
// prepared for the agent. It may be called once.
func (a *Agent) Start(ctx context.Context) error {
	return a.manager.Start(ctx)
}

func (a *Agent) run(ctx context.Context) error {
	if err := preflight(ctx, a.client, a.manager.GetLogger()); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	for _, b := range a.beside {
		others.Go(func() { b.run(ctx) })
	}
	var proxyErr error
	others.Go(func() { proxyErr = a.proxy.Run(ctx) })
	a.loop.run(ctx)
	cancel()
	others.Wait()
	return proxyErr
}
