// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dns is the transparent DNS proxy, which learns the addresses that
// rules with domain names stand for.
//
// The kernel brings it the queries of the pods that such rules apply to (package
// redirect). It asks the server that the pod asked, from the pod's address, so
// that all policies between the two still hold. Before it passes an answer on,
// the addresses in it are enforced in the kernel, so that the pod's first
// connection cannot come too early. An answer that cannot be enforced in time is
// never passed on.
//
// Messages are judged by pure functions (message.go); what was learned is in the
// cache with its leases, is written to a journal for the next start, and goes to
// the kernel in batches (committer).
package dns
