// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A smallSet has the members that a map would have, whichever way it holds them.
func TestSmallSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s smallSet[int]
		want := map[int]struct{}{}
		for range rapid.IntRange(0, 60).Draw(t, "operations") {
			v := rapid.IntRange(0, 2*maxFew).Draw(t, "value")
			if rapid.Bool().Draw(t, "add") {
				s.add(v)
				want[v] = struct{}{}
			} else {
				s.remove(v)
				delete(want, v)
			}
			got, wanted := slices.Sorted(s.all()), slices.Sorted(maps.Keys(want))
			if !slices.Equal(got, wanted) || s.len() != len(want) {
				t.Fatalf("it has %v and counts %d, want %v", got, s.len(), wanted)
			}
		}
	})
}
