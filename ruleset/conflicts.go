// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import "slices"

// Conflicts returns, for each ClusterNetworkPolicy of either kind that shares its
// tier and priority with others, those others in the order of their keys.
func Conflicts(policies []*Policy) map[PolicyKey][]PolicyKey {
	type place struct {
		tier     Tier
		priority int32
	}
	sharing := map[place][]PolicyKey{}
	for _, p := range policies {
		if p.Key.Kind != KindNetworkPolicy {
			at := place{p.Tier, p.Priority}
			sharing[at] = append(sharing[at], p.Key)
		}
	}
	conflicts := map[PolicyKey][]PolicyKey{}
	for _, keys := range sharing {
		slices.SortFunc(keys, PolicyKey.Compare)
		for i, key := range keys {
			if len(keys) > 1 {
				conflicts[key] = slices.Delete(slices.Clone(keys), i, i+1)
			}
		}
	}
	return conflicts
}
