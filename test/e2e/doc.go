// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e has the end-to-end tests: Tierwall is installed on a real cluster
// as a user does, and connections between real pods are measured. The tests have
// the build tag e2e; `make e2e` runs them.
package e2e
