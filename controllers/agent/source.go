// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// message is what a source sends to the loop.
type message struct {
	source string
	// received is when the agent had the event.
	received time.Time
	steps    []step
	// synced says that the source has now sent all that there is, for the
	// first time or again.
	synced bool
	// done is closed once the kernel has the steps, if it is not nil.
	done chan struct{}
}

// sourceConfig is what a source is made of; all fields are required.
type sourceConfig struct {
	kind    kind
	client  client.WithWatch
	out     chan<- message
	metrics *metrics
	log     logr.Logger
}

// source sends the objects of one kind to the loop, as steps. It is the store
// of a reflector, which calls its methods one at a time.
type source struct {
	sourceConfig
	// ctx ends sends to a loop that is gone.
	ctx context.Context
	// known are the objects that the loop was told of, so that a new list
	// tells which of them are gone.
	known map[types.NamespacedName]struct{}
}

func newSource(cfg sourceConfig) *source {
	return &source{sourceConfig: cfg, known: map[types.NamespacedName]struct{}{}}
}

// run sends until ctx ends.
func (s *source) run(ctx context.Context) {
	s.ctx = ctx
	follow(ctx, followConfig{
		name:    s.kind.name,
		object:  s.kind.object,
		list:    s.kind.list,
		client:  s.client,
		store:   s,
		metrics: s.metrics,
		log:     s.log,
	})
}

// Add implements cache.ReflectorStore.
func (s *source) Add(obj any) error {
	received := time.Now()
	e := s.reduce(obj)
	s.known[e.key] = struct{}{}
	s.send(message{source: s.kind.name, received: received, steps: []step{e.step}})
	return nil
}

// Update implements cache.ReflectorStore.
func (s *source) Update(obj any) error { return s.Add(obj) }

// Delete implements cache.ReflectorStore.
func (s *source) Delete(obj any) error {
	received := time.Now()
	key := client.ObjectKeyFromObject(obj.(client.Object))
	delete(s.known, key)
	s.send(message{source: s.kind.name, received: received, steps: []step{s.kind.remove(key)}})
	return nil
}

// Replace implements cache.ReflectorStore: objs are all there are.
func (s *source) Replace(objs []any, _ string) error {
	s.replace(objs)
	return nil
}

func (s *source) replace(objs []any) {
	received := time.Now()
	gone := s.known
	s.known = make(map[types.NamespacedName]struct{}, len(objs))
	steps := make([]step, 0, len(objs))
	for _, obj := range objs {
		e := s.reduce(obj)
		s.known[e.key] = struct{}{}
		delete(gone, e.key)
		steps = append(steps, e.step)
	}
	for key := range gone {
		steps = append(steps, s.kind.remove(key))
	}
	s.send(message{source: s.kind.name, received: received, steps: steps, synced: true})
}

// forget withdraws everything that was sent. To be called when run has returned.
func (s *source) forget(ctx context.Context) {
	s.ctx = ctx
	s.replace(nil)
}

// Resync implements cache.ReflectorStore; there is nothing to repeat.
func (s *source) Resync() error { return nil }

// Transformer implements cache.TransformingStore: while the reflector collects
// a list, it keeps entries, not objects.
func (s *source) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) { return s.reduce(obj), nil }
}

func (s *source) reduce(obj any) *entry {
	if e, ok := obj.(*entry); ok {
		return e
	}
	o := obj.(client.Object)
	return &entry{key: client.ObjectKeyFromObject(o), step: s.kind.set(o)}
}

func (s *source) send(m message) {
	s.metrics.objects.WithLabelValues(s.kind.name).Set(float64(len(s.known)))
	select {
	case s.out <- m:
	case <-s.ctx.Done():
	}
}

// entry is an object reduced to its name and what it means.
type entry struct {
	key  types.NamespacedName
	step step
}

// GetObjectMeta implements metav1.ObjectMetaAccessor, which reflectors ask for.
func (e *entry) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: e.key.Namespace, Name: e.key.Name}
}
