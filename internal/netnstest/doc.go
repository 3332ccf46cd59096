// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package netnstest makes throw-away networks for tests, benchmarks and fuzz
// programs: a node in a network namespace of its own that forwards packets, with
// a veth to each pod and one to the outside, and a fast way to send crafted
// packets through it and see where each arrives.
//
// Namespaces have no name and no mount: the kernel removes them when the process
// ends, however it ends. Nothing outside of them is touched.
package netnstest
