// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// The Ruleset depends on the state only, not on the way that led to it.
func TestWayDoesNotMatter(t *testing.T) {
	for name, way := range differential.Ways() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				mustHold(t, gen.Sequence(2, 6).Draw(t, "states"), func(states []*oracle.Cluster) error {
					_, err := differential.Walk(states, way)
					return err
				})
			})
		})
	}
}
