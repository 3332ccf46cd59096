// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/controllers/internal/kube"
)

// optionalSource runs a source while its CustomResourceDefinition exists. It is
// the store of a reflector on that one CustomResourceDefinition, which calls
// its methods one at a time.
type optionalSource struct {
	// sourceConfig is that of the source to run.
	sourceConfig
	// ctx ends everything.
	ctx context.Context
	// source is the one that runs, nil if none does; stop ends it, and uid is
	// that of its CustomResourceDefinition.
	source *source
	stop   func()
	uid    types.UID
}

func newOptionalSource(cfg sourceConfig) *optionalSource {
	return &optionalSource{sourceConfig: cfg}
}

// run sends until ctx ends.
func (o *optionalSource) run(ctx context.Context) {
	o.ctx = ctx
	follow(ctx, followConfig{
		name:     "customresourcedefinitions",
		object:   &apiextensionsv1.CustomResourceDefinition{},
		list:     &apiextensionsv1.CustomResourceDefinitionList{},
		selector: fields.OneTermEqualSelector("metadata.name", kube.UpstreamCRD),
		client:   o.client,
		store:    o,
		metrics:  o.metrics,
		log:      o.log,
	})
	// Stopped, but not ended: what it sent stays enforced.
	if o.source != nil {
		o.stop()
	}
}

// Add implements cache.ReflectorStore.
func (o *optionalSource) Add(obj any) error {
	crd := obj.(*apiextensionsv1.CustomResourceDefinition)
	if crd.UID != o.uid {
		o.end()
	}
	// A definition that stops being served, for example while it changes
	// versions, does not end the source: the policies still exist, and to
	// forget them would open what they close.
	if o.source == nil && kube.Served(crd) {
		o.begin(crd.UID)
	}
	return nil
}

// Update implements cache.ReflectorStore.
func (o *optionalSource) Update(obj any) error { return o.Add(obj) }

// Delete implements cache.ReflectorStore.
func (o *optionalSource) Delete(any) error {
	o.end()
	return nil
}

// Replace implements cache.ReflectorStore: objs is the CustomResourceDefinition
// if there is one.
func (o *optionalSource) Replace(objs []any, _ string) error {
	if len(objs) == 0 {
		o.end()
	}
	for _, obj := range objs {
		if err := o.Add(obj); err != nil {
			return err
		}
	}
	if o.source == nil {
		o.nothing()
	}
	return nil
}

// Resync implements cache.ReflectorStore; there is nothing to repeat.
func (o *optionalSource) Resync() error { return nil }

// begin starts the source.
func (o *optionalSource) begin(uid types.UID) {
	o.log.Info("Following upstream's ClusterNetworkPolicies: their CustomResourceDefinition is served")
	ctx, cancel := context.WithCancel(o.ctx)
	s := newSource(o.sourceConfig)
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	o.uid, o.source = uid, s
	o.stop = func() {
		cancel()
		running.Wait()
	}
}

// end stops the source, if it runs, and withdraws all it sent.
func (o *optionalSource) end() {
	if o.source == nil {
		return
	}
	o.log.Info("Upstream's ClusterNetworkPolicies are gone: their CustomResourceDefinition was deleted")
	o.stop()
	o.source.forget(o.ctx)
	o.uid, o.source = "", nil
}

// nothing tells the loop not to wait for this source.
func (o *optionalSource) nothing() {
	select {
	case o.out <- message{source: o.kind.name, received: time.Now(), synced: true}:
	case <-o.ctx.Done():
	}
}
