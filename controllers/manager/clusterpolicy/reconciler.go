// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tierwall/tierwall/ruleset"
)

// fieldOwner owns the conditions that this package writes; those of others are
// left alone.
const fieldOwner = client.FieldOwner("tierwall-manager")

type reconciler struct {
	client   client.Client
	recorder events.EventRecorder
}

// Reconcile brings the conditions of all policies of a rank up to date.
func (r *reconciler) Reconcile(ctx context.Context, rank rank) (reconcile.Result, error) {
	found, err := members(ctx, r.client, rank)
	if err != nil {
		return reconcile.Result{}, err
	}
	keys := make([]ruleset.PolicyKey, 0, len(found))
	for _, m := range found {
		keys = append(keys, m.policy.Key)
	}
	var errs []error
	for i, m := range found {
		rivals := slices.Delete(slices.Clone(keys), i, i+1)
		errs = append(errs, r.report(ctx, m, rivals))
	}
	return reconcile.Result{}, errors.Join(errs...)
}

// report brings the conditions of one policy up to date.
func (r *reconciler) report(ctx context.Context, m member, rivals []ruleset.PolicyKey) error {
	next := slices.Clone(m.conditions)
	wanted := conditions(m.policy, rivals, m.object.GetGeneration())
	changed := false
	for _, c := range wanted {
		changed = meta.SetStatusCondition(&next, c) || changed
	}
	if !changed {
		return nil
	}
	if err := r.write(ctx, m, next, wanted); err != nil {
		return err
	}
	for _, c := range wanted {
		r.tell(m.object, meta.FindStatusCondition(m.conditions, c.Type), c)
	}
	return nil
}

// write applies those of the conditions that are wanted, with the transition
// times that they have in next.
func (r *reconciler) write(ctx context.Context, m member, next, wanted []metav1.Condition) error {
	var own []any
	for _, c := range wanted {
		u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(meta.FindStatusCondition(next, c.Type))
		if err != nil {
			return fmt.Errorf("%s: encoding condition %s: %w", m.policy.Key, c.Type, err)
		}
		own = append(own, u)
	}
	patch := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": m.apiVersion,
		"kind":       "ClusterNetworkPolicy",
		// With its UID, so that a policy which was deleted meanwhile is not
		// mistaken for a new one of the same name.
		"metadata": map[string]any{"name": m.object.GetName(), "uid": string(m.object.GetUID())},
		"status":   map[string]any{"conditions": own},
	}}
	err := r.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(patch), fieldOwner, client.ForceOwnership)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: writing its conditions: %w", m.policy.Key, err)
	}
	return nil
}
