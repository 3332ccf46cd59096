// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
)

func TestLabelCacheSharesEqualSets(t *testing.T) {
	c := newLabelCache()
	web := func() labels.Set { return labels.Set{"app": "web", "tier": "front"} }
	first, second := c.share(web()), c.share(web())
	if reflect.ValueOf(first).Pointer() != reflect.ValueOf(second).Pointer() {
		t.Error("equal sets are not one map")
	}
}

func TestLabelCacheReturnsWhatItIsGiven(t *testing.T) {
	c := newLabelCache()
	// More sets than slots, so that they push each other out; and pairs whose
	// keys and values are swapped.
	for range 2 {
		for i := range 2 * labelCacheSize {
			for _, want := range []labels.Set{{"a": fmt.Sprint(i), "b": "1"}, {"a": "1", "b": fmt.Sprint(i)}, nil, {}} {
				if diff := cmp.Diff(labels.Merge(want, nil), labels.Merge(c.share(want), nil)); diff != "" {
					t.Fatal(diff)
				}
			}
		}
	}
}
