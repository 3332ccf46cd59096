// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"testing"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/oracle"
)

// failer is what failing needs of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// mustHold runs a check; if it fails, it shows the smallest states for which it
// still does.
func mustHold(t failer, states []*oracle.Cluster, check func([]*oracle.Cluster) error) {
	t.Helper()
	if states, failure := differential.Minimise(states, check); failure != nil {
		file, err := differential.Encode(states)
		t.Fatalf("%v\nwith these states (%v):\n%s", failure, err, file)
	}
}

func newKernel(t *testing.T) *differential.Kernel {
	t.Helper()
	netnstest.Require(t)
	kernel, err := differential.NewKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
	})
	return kernel
}
