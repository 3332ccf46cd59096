// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// A packet that is under way while one object changes sees some maps from before
// a commit and others from after it, and is treated as before or as after.
func TestNoPacketIsTorn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "packets")
		if err := tear(gen.Sequence(2, 6).Draw(t, "states"), seed); err != nil {
			t.Fatalf("%v", err)
		}
	})
}

// tear looks for packets, drawn by the seed, that are torn on the way through the
// states.
func tear(states []*oracle.Cluster, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0))
	return differential.TearSteps(states, func(from, to *oracle.Cluster) []oracle.Packet {
		return differential.Sample(r, 400, from, to)
	})
}
