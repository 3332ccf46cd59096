// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"hash/maphash"

	"k8s.io/apimachinery/pkg/labels"
)

// labelCacheSize bounds the label sets that are kept to share.
const labelCacheSize = 1 << 14

// labelCache gives equal sets of labels one map: pods come by the replica, and
// while a list of all of them arrives, their labels would be most of what the
// agent has in memory. Of two sets that fall into one slot the later stays.
type labelCache struct {
	seed  maphash.Seed
	slots []labels.Set
}

func newLabelCache() *labelCache {
	return &labelCache{seed: maphash.MakeSeed(), slots: make([]labels.Set, labelCacheSize)}
}

// share returns a set that equals l, which may be one from before. None of them
// may be changed.
func (c *labelCache) share(l labels.Set) labels.Set {
	var hash uint64
	for key, value := range l {
		// A sum does not depend on the order.
		hash += maphash.String(c.seed, key)*31 + maphash.String(c.seed, value)
	}
	slot := &c.slots[hash%labelCacheSize]
	if !labels.Equals(*slot, l) {
		*slot = l
	}
	return *slot
}
