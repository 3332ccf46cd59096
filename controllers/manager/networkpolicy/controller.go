// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package networkpolicy tells the authors of NetworkPolicies, in an event, what
// Tierwall could not understand in them. NetworkPolicies have no status to write
// it to.
package networkpolicy

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/problems"
	"github.com/tierwall/tierwall/ruleset"
)

type reconciler struct {
	client   client.Client
	recorder events.EventRecorder
}

// Add adds the controller to the manager.
func Add(m manager.Manager) error {
	r := &reconciler{client: m.GetClient(), recorder: m.GetEventRecorder("tierwall-manager")}
	err := builder.ControllerManagedBy(m).
		Named("networkpolicy").
		For(&networkingv1.NetworkPolicy{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of NetworkPolicy events: %w", err)
	}
	return nil
}

// Reconcile records an event if the NetworkPolicy is not enforced as written.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var policy networkingv1.NetworkPolicy
	if err := r.client.Get(ctx, request.NamespacedName, &policy); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if list := ruleset.FromNetworkPolicy(&policy).Problems; len(list) > 0 {
		r.recorder.Eventf(&policy, nil, corev1.EventTypeWarning, v1alpha1.ReasonInvalidField, "Validate", "%s", problems.Note(problems.Message(list)))
	}
	return reconcile.Result{}, nil
}
