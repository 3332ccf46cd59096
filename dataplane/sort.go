// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys returns a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// sortedElements returns the keys of a set's elements in order.
func sortedElements(m map[elementKey]element) []elementKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b elementKey) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.keyEnd, b.keyEnd))
	})
}
