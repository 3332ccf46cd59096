// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// podView is what selectors see of a pod.
type podView struct {
	namespace       string
	namespaceLabels labels.Set
	podLabels       labels.Set
	// node is the one the pod runs on; nil if there is no such object.
	node *nodeState
}

// matches reports whether the selector selects a pod.
func (s *PodSelector) matches(v podView) bool {
	switch {
	case s.Namespace != "" && s.Namespace != v.namespace:
		return false
	case s.Namespace == "" && !s.Namespaces.Matches(v.namespaceLabels):
		return false
	case s.Nodes != nil && (v.node == nil || !s.Nodes.Matches(v.node.node.Labels)):
		return false
	default:
		return s.Pods.Matches(v.podLabels)
	}
}

// universal reports whether the selector selects every pod.
func (s *PodSelector) universal() bool {
	return s.Namespace == "" && s.Namespaces.Empty() && s.Pods.Empty() && s.Nodes == nil
}

// key is the selector's content: equal keys select the same pods.
func (s *PodSelector) key() string {
	namespaces, nodes := "", "any"
	if s.Namespace == "" {
		namespaces = s.Namespaces.String()
	}
	if s.Nodes != nil {
		nodes = "on " + s.Nodes.String()
	}
	return s.Namespace + "|" + namespaces + "|" + s.Pods.String() + "|" + nodes
}

// bucket is a condition that a pod must fulfil for some selectors to match: it
// lies in a namespace, has a label, or its namespace has. Empty parts do not
// count.
type bucket struct {
	namespace       string
	key, value      string
	ofNamespace     bool
	nothingRequired bool
}

// selectorIndex finds the selectors that select a pod without trying them all:
// each is filed under one label it requires.
type selectorIndex[T comparable] struct {
	buckets map[bucket]map[T]*PodSelector
}

func newSelectorIndex[T comparable]() selectorIndex[T] {
	return selectorIndex[T]{buckets: map[bucket]map[T]*PodSelector{}}
}

func (x *selectorIndex[T]) add(s *PodSelector, value T) {
	for _, b := range bucketsOf(s) {
		if x.buckets[b] == nil {
			x.buckets[b] = map[T]*PodSelector{}
		}
		x.buckets[b][value] = s
	}
}

func (x *selectorIndex[T]) remove(s *PodSelector, value T) {
	for _, b := range bucketsOf(s) {
		delete(x.buckets[b], value)
		if len(x.buckets[b]) == 0 {
			delete(x.buckets, b)
		}
	}
}

// each calls visit once for every value whose selector selects the pod.
func (x *selectorIndex[T]) each(v podView, visit func(T)) {
	if len(x.buckets) == 0 {
		return
	}
	try := func(b bucket) {
		for value, s := range x.buckets[b] {
			if s.matches(v) {
				visit(value)
			}
		}
	}
	try(bucket{nothingRequired: true})
	try(bucket{namespace: v.namespace})
	for key, value := range v.podLabels {
		try(bucket{key: key, value: value})
		try(bucket{namespace: v.namespace, key: key, value: value})
	}
	for key, value := range v.namespaceLabels {
		try(bucket{key: key, value: value, ofNamespace: true})
	}
}

// bucketsOf returns the buckets a selector is filed under: a pod that it selects
// is in exactly one of them.
func bucketsOf(s *PodSelector) []bucket {
	if key, values := requiredLabel(s.Pods); values != nil {
		return bucketsFor(bucket{namespace: s.Namespace, key: key}, values)
	}
	if s.Namespace != "" {
		return []bucket{{namespace: s.Namespace}}
	}
	if key, values := requiredLabel(s.Namespaces); values != nil {
		return bucketsFor(bucket{key: key, ofNamespace: true}, values)
	}
	return []bucket{{nothingRequired: true}}
}

func bucketsFor(b bucket, values []string) []bucket {
	buckets := make([]bucket, 0, len(values))
	for _, value := range values {
		b.value = value
		buckets = append(buckets, b)
	}
	return buckets
}

// requiredLabel returns a label that the selector requires to have one of a few
// values, preferring fewer values; no values if there is none.
func requiredLabel(s labels.Selector) (key string, values []string) {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		requires := slices.Contains([]selection.Operator{selection.Equals, selection.DoubleEquals, selection.In}, r.Operator())
		if requires && (values == nil || r.Values().Len() < len(values)) {
			key, values = r.Key(), r.Values().UnsortedList()
		}
	}
	return key, values
}
