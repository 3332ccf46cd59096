// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// reconcileTimeout bounds one look at a rank.
const reconcileTimeout = time.Minute

// Controller watches Tierwall's ClusterNetworkPolicies, and upstream's from
// WatchUpstream to UnwatchUpstream.
type Controller struct {
	controller controller.TypedController[rank]
	cache      cache.Cache
}

// New adds the controller to the manager. The manager's cache must fail reads
// of kinds that are not watched.
func New(m manager.Manager) (*Controller, error) {
	c, err := controller.NewTyped("clusterpolicy", m, controller.TypedOptions[rank]{
		Reconciler: &reconciler{
			client:   m.GetClient(),
			recorder: m.GetEventRecorder("tierwall-manager"),
		},
		ReconciliationTimeout: reconcileTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the controller of ClusterNetworkPolicy status: %w", err)
	}
	result := &Controller{controller: c, cache: m.GetCache()}
	return result, result.watch(&v1alpha1.ClusterNetworkPolicy{})
}

// WatchUpstream starts to watch upstream's ClusterNetworkPolicies. Their
// CustomResourceDefinition must be served.
func (c *Controller) WatchUpstream() error {
	return c.watch(&npav1alpha2.ClusterNetworkPolicy{})
}

// UnwatchUpstream stops watching upstream's ClusterNetworkPolicies, whose
// CustomResourceDefinition is gone, and takes them out of the conflicts that
// other policies were told of.
func (c *Controller) UnwatchUpstream(ctx context.Context) error {
	var last npav1alpha2.ClusterNetworkPolicyList
	if err := listWatched(ctx, c.cache, &last); err != nil {
		return err
	}
	if err := c.cache.RemoveInformer(ctx, &npav1alpha2.ClusterNetworkPolicy{}); err != nil {
		return fmt.Errorf("stopping the watch on upstream's ClusterNetworkPolicies: %w", err)
	}
	return c.controller.Watch(source.TypedFunc[rank](func(_ context.Context, q queue) error {
		for i := range last.Items {
			q.Add(rankOf(&last.Items[i]))
		}
		return nil
	}))
}

type queue = workqueue.TypedRateLimitingInterface[rank]

func (c *Controller) watch(object client.Object) error {
	err := c.controller.Watch(source.TypedKind(c.cache, object, handler.TypedEventHandler[client.Object, rank](handler.TypedFuncs[client.Object, rank]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[client.Object], q queue) { q.Add(rankOf(e.Object)) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[client.Object], q queue) { q.Add(rankOf(e.Object)) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[client.Object], q queue) {
			q.Add(rankOf(e.ObjectOld))
			q.Add(rankOf(e.ObjectNew))
		},
	})))
	if err != nil {
		return fmt.Errorf("watching %T: %w", object, err)
	}
	return nil
}
