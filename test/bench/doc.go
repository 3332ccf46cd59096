// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what docs/performance.md states: what a packet costs in
// tables as the agent renders them, what an event costs from the compiler to the
// kernel's acknowledgement, and what established traffic costs. It needs root,
// works in network namespaces of its own, and writes Markdown to standard output.
package main
