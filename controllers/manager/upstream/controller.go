// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package upstream follows the CustomResourceDefinition of upstream's
// ClusterNetworkPolicy, which a cluster may get or lose at any time, and has its
// objects watched while it is there.
package upstream

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tierwall/tierwall/controllers/internal/kube"
)

// watcher watches upstream's ClusterNetworkPolicies on demand.
type watcher interface {
	// WatchUpstream starts to watch them; they are served.
	WatchUpstream() error
	// UnwatchUpstream ends that; they are gone. It may be repeated.
	UnwatchUpstream(context.Context) error
}

type reconciler struct {
	client   client.Client
	watcher  watcher
	watching bool
}

// Add adds the controller to the manager, whose cache must hold no
// CustomResourceDefinition but upstream's.
func Add(m manager.Manager, w watcher) error {
	err := builder.ControllerManagedBy(m).
		Named("upstream").
		For(&apiextensionsv1.CustomResourceDefinition{}).
		Complete(&reconciler{client: m.GetClient(), watcher: w})
	if err != nil {
		return fmt.Errorf("setting up the controller of upstream's CustomResourceDefinition: %w", err)
	}
	return nil
}

// Reconcile starts or ends the watch on upstream's policies.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var crd apiextensionsv1.CustomResourceDefinition
	err := r.client.Get(ctx, request.NamespacedName, &crd)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, r.end(ctx)
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("CustomResourceDefinition %s: %w", request.Name, err)
	case kube.Served(&crd):
		return reconcile.Result{}, r.begin(ctx)
	default:
		return reconcile.Result{}, nil
	}
}

func (r *reconciler) begin(ctx context.Context) error {
	if r.watching {
		return nil
	}
	log.FromContext(ctx).Info("Watching upstream's ClusterNetworkPolicies: their CustomResourceDefinition is served")
	if err := r.watcher.WatchUpstream(); err != nil {
		return err
	}
	r.watching = true
	return nil
}

func (r *reconciler) end(ctx context.Context) error {
	if !r.watching {
		return nil
	}
	log.FromContext(ctx).Info("Upstream's ClusterNetworkPolicies are gone: their CustomResourceDefinition was deleted")
	if err := r.watcher.UnwatchUpstream(ctx); err != nil {
		return err
	}
	r.watching = false
	return nil
}
