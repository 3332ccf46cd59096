// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what docs/performance.md states: what a packet costs in
// tables as the agent renders them, what established traffic costs, what an
// event costs from the compiler to the kernel's acknowledgement, how the
// compiler's cost grows, how long it takes from a write to the API to packets,
// and how large the agent is.
//
// It needs root, the agent in bin/ and KUBEBUILDER_ASSETS (use the make targets),
// works in network namespaces of its own, and writes Markdown to standard output.
package main
