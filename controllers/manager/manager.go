// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manager does what belongs to the cluster and not to a node: one
// replica at a time tells the authors of policies what Tierwall makes of them.
// No enforcement depends on it.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/kube"
	"github.com/tierwall/tierwall/controllers/manager/clusterpolicy"
	"github.com/tierwall/tierwall/controllers/manager/networkpolicy"
	"github.com/tierwall/tierwall/controllers/manager/upstream"
)

// Config is what a Manager is made of.
type Config struct {
	// REST says how to reach the API server. Required.
	REST *rest.Config
	// LeaderElection has only one of several managers at work. It needs the
	// namespace of the pod the manager runs in.
	LeaderElection bool
	// MetricsBindAddress is where metrics are served; "0" for nowhere.
	MetricsBindAddress string
	// HealthProbeBindAddress is where /healthz and /readyz are served; "0" for
	// nowhere.
	HealthProbeBindAddress string
	// Logger is told what happens. Required.
	Logger logr.Logger
}

// Manager runs the cluster's controllers.
type Manager struct {
	manager ctrlmanager.Manager
}

// New returns a manager that has not started.
func New(cfg Config) (*Manager, error) {
	scheme, err := kube.NewScheme()
	if err != nil {
		return nil, err
	}
	m, err := ctrlmanager.New(cfg.REST, ctrlmanager.Options{
		Scheme:                        scheme,
		MapperProvider:                func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return kube.NewMapper(), nil },
		Logger:                        cfg.Logger,
		Cache:                         cacheOptions(),
		Metrics:                       metricsserver.Options{BindAddress: cfg.MetricsBindAddress},
		HealthProbeBindAddress:        cfg.HealthProbeBindAddress,
		LeaderElection:                cfg.LeaderElection,
		LeaderElectionID:              "tierwall-manager",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the manager for %s: %w", cfg.REST.Host, err)
	}
	return &Manager{m}, errors.Join(
		addControllers(m),
		m.AddHealthzCheck("ping", healthz.Ping),
		m.AddReadyzCheck("synced", synced(m.GetCache())),
	)
}

// addControllers adds every controller of the cluster.
func addControllers(m ctrlmanager.Manager) error {
	policies, err := clusterpolicy.New(m)
	if err != nil {
		return err
	}
	return errors.Join(networkpolicy.Add(m), upstream.Add(m, policies))
}

// cacheOptions keep the cache small: no managed fields, and of all
// CustomResourceDefinitions only upstream's. Reads of kinds that no controller
// watches fail, so that upstream's kind can be absent.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&apiextensionsv1.CustomResourceDefinition{}: {
				Field: fields.OneTermEqualSelector("metadata.name", kube.UpstreamCRD),
			},
		},
	}
}

// Start runs the controllers until ctx ends, or until the leadership is lost,
// which is an error. It may be called once.
func (m *Manager) Start(ctx context.Context) error {
	if err := hold(ctx, m.manager.GetCache()); err != nil {
		return err
	}
	return m.manager.Start(ctx)
}

// hold has the cache watch what the controllers work with. They watch only once
// they lead: until then, a replica that may not read it, or is still reading it,
// would be ready.
func hold(ctx context.Context, c cache.Cache) error {
	for _, kind := range []client.Object{
		&v1alpha1.ClusterNetworkPolicy{}, &networkingv1.NetworkPolicy{}, &apiextensionsv1.CustomResourceDefinition{},
	} {
		if _, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return nil
}

// syncPatience bounds an answer to a readiness probe: the kubelet waits a second.
const syncPatience = 500 * time.Millisecond

// synced returns a check that fails until all objects that are watched have been
// read once.
func synced(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), syncPatience)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("not yet in sync with the API server")
		}
		return nil
	}
}
