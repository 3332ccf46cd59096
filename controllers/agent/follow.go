// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// followConfig is what follow needs.
type followConfig struct {
	name string
	// object and list are empty objects of the kind to follow.
	object client.Object
	list   client.ObjectList
	// selector restricts what is followed; nil for everything.
	selector fields.Selector
	client   client.WithWatch
	// store is told what exists.
	store   cache.ReflectorStore
	metrics *metrics
	log     logr.Logger
}

// follow tells the store what the API server has until ctx ends. Failures are
// logged, counted, and retried with back-off; the store is not told of them.
func follow(ctx context.Context, cfg followConfig) {
	log := cfg.log.WithValues("source", cfg.name)
	f := &follower{followConfig: cfg, log: log}
	r := cache.NewReflectorWithOptions(&cache.ListWatch{
		ListWithContextFunc:  f.list,
		WatchFuncWithContext: f.watch,
	}, cfg.object, cfg.store, cache.ReflectorOptions{Name: cfg.name, Logger: &log})
	r.RunWithContext(klog.NewContext(ctx, log))
}

// follower lists and watches for one reflector.
type follower struct {
	followConfig
	log logr.Logger
	// failing is true after a failure, until the next success.
	failing bool
}

func (f *follower) list(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
	list := f.empty()
	err := f.client.List(ctx, list, f.options(raw))
	return list, f.note(err)
}

func (f *follower) watch(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
	w, err := f.client.Watch(ctx, f.empty(), f.options(raw))
	return w, f.note(err)
}

func (f *follower) empty() client.ObjectList {
	return f.followConfig.list.DeepCopyObject().(client.ObjectList)
}

func (f *follower) options(raw metav1.ListOptions) *client.ListOptions {
	return &client.ListOptions{FieldSelector: f.selector, Raw: &raw}
}

// note counts a failure and adds its remedy. The reflector logs what is
// returned, except for an API server that is away, which it takes for normal;
// here people want to know that the ruleset is getting old.
func (f *follower) note(err error) error {
	if err == nil {
		f.failing = false
		return nil
	}
	f.metrics.watchErrors.WithLabelValues(f.name).Inc()
	if !f.failing && (utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err)) {
		f.log.Info("The API server does not answer; what is known stays enforced", "error", err.Error())
	}
	f.failing = true
	return explain(f.name, err)
}

// explain adds the remedy to the errors that an installation can cause.
func explain(name string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the API server does not serve %s: install its CustomResourceDefinition (kubectl apply -k config/crd): %w", name, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("not permitted to list and watch %s: install the agent's RBAC (kubectl apply -k config/rbac) and run it with that service account: %w", name, err)
	default:
		return err
	}
}
