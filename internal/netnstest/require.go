// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import "os"

// RequireVariable is the environment variable that makes tests fail which would
// otherwise be skipped because the kernel cannot be used.
const RequireVariable = "TIERWALL_REQUIRE_KERNEL"

// TB is the part of testing.TB that is needed here.
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Require skips a test that has no permission to make namespaces; with
// TIERWALL_REQUIRE_KERNEL=1 it fails instead.
func Require(t TB) {
	t.Helper()
	n, err := NewNamespace()
	if err == nil {
		err = n.Close()
	}
	if err == nil {
		return
	}
	if os.Getenv(RequireVariable) == "1" {
		t.Fatal("kernel tests are required ("+RequireVariable+"=1), but:", err)
	}
	t.Skip("kernel test needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN):", err)
}
