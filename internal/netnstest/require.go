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
	if err != nil {
		Missing(t, "root (CAP_SYS_ADMIN and CAP_NET_ADMIN)", err)
	}
}

// Missing skips a test because the machine lacks what it needs, or fails it as
// Require does.
func Missing(t TB, what string, err error) {
	t.Helper()
	if os.Getenv(RequireVariable) == "1" {
		t.Fatal("this test needs", what, "and "+RequireVariable+"=1 forbids to skip it:", err)
	}
	t.Skip("this test needs", what+":", err)
}
