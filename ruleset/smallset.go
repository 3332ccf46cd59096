// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"iter"
	"maps"
	"slices"
)

// maxFew is how many members a smallSet lists before it has a map.
const maxFew = 8

// smallSet is a set that has a member or two most of the time, as what refers to a
// feature or a class: a map would take 130 bytes for each of these. The zero value is
// empty.
type smallSet[T comparable] struct {
	few  []T
	many map[T]struct{} // takes the place of few once it is set
}

func (s *smallSet[T]) add(v T) {
	switch {
	case s.many != nil:
		s.many[v] = struct{}{}
	case slices.Contains(s.few, v):
	case len(s.few) < maxFew:
		s.few = append(s.few, v)
	default:
		s.many = map[T]struct{}{v: {}}
		for _, member := range s.few {
			s.many[member] = struct{}{}
		}
		s.few = nil
	}
}

func (s *smallSet[T]) remove(v T) {
	if s.many != nil {
		delete(s.many, v)
		return
	}
	if i := slices.Index(s.few, v); i >= 0 {
		s.few = slices.Delete(s.few, i, i+1)
	}
}

func (s *smallSet[T]) len() int { return len(s.few) + len(s.many) }

// all yields the members in no order.
func (s *smallSet[T]) all() iter.Seq[T] {
	if s.many != nil {
		return maps.Keys(s.many)
	}
	return slices.Values(s.few)
}

// addAll adds members to a set.
func addAll[T comparable](to map[T]struct{}, members iter.Seq[T]) {
	for v := range members {
		to[v] = struct{}{}
	}
}
