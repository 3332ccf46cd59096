// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"testing"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// kernelSequences is how many lists of states go through the kernel, some 7
// states each, there and back. "make fuzz" goes through as many as its time allows.
const kernelSequences = 150

// A kernel with the compiled tables does with real packets what the API text
// says, in each of a sequence of states and on the way from one to the next.
func TestKernelIsOracle(t *testing.T) {
	kernel, counts := newKernel(t), differential.Counts{}
	for seed := range kernelSequences {
		mustHold(t, gen.Sequence(2, 6).Example(seed), func(states []*oracle.Cluster) error {
			n, err := kernel.Check(t.Context(), states, uint64(seed))
			counts.Add(n)
			return err
		})
	}
	t.Log(counts)
}
