// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"iter"
	"strings"
)

// wildcard stands before the name that a pattern is for all names below of.
const wildcard = "*."

// DomainIndex finds which of many patterns a domain name matches: names, and
// names with "*." in front that stand for all names below, at any depth, but not
// for the name itself. Each has a value. Patterns and names are in lower case and
// without trailing dot; they are taken as they are.
//
// Match and Patterns may be called concurrently, as long as the index does not
// change.
type DomainIndex[V any] struct {
	// exact is by name, below by what follows "*.".
	exact, below map[string]V
}

// NewDomainIndex returns an index without patterns.
func NewDomainIndex[V any]() *DomainIndex[V] {
	return &DomainIndex[V]{exact: map[string]V{}, below: map[string]V{}}
}

// place returns where the index keeps a pattern.
func (x *DomainIndex[V]) place(pattern string) (values map[string]V, name string) {
	if parent, ok := strings.CutPrefix(pattern, wildcard); ok {
		return x.below, parent
	}
	return x.exact, pattern
}

// Set adds a pattern, or gives it another value.
func (x *DomainIndex[V]) Set(pattern string, value V) {
	values, name := x.place(pattern)
	values[name] = value
}

// Delete takes a pattern away, if it is there.
func (x *DomainIndex[V]) Delete(pattern string) {
	values, name := x.place(pattern)
	delete(values, name)
}

// Match returns the values of the patterns that the name matches: its own first,
// then those of wildcards, from the longest to the shortest.
func (x *DomainIndex[V]) Match(name string) iter.Seq[V] {
	return func(yield func(V) bool) {
		if value, ok := x.exact[name]; ok && !yield(value) {
			return
		}
		_, parent, ok := strings.Cut(name, ".")
		for ; ok; _, parent, ok = strings.Cut(parent, ".") {
			if value, ok := x.below[parent]; ok && !yield(value) {
				return
			}
		}
	}
}

// Patterns returns all patterns, in no order.
func (x *DomainIndex[V]) Patterns() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range x.exact {
			if !yield(name) {
				return
			}
		}
		for parent := range x.below {
			if !yield(wildcard + parent) {
				return
			}
		}
	}
}
