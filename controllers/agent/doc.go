// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package agent keeps the kernel of one node in step with the API server.
//
// Each input kind has a source: a client-go reflector that reduces every object
// to what policy needs of it, as soon as it is decoded, and hands it on. One
// goroutine, the loop, owns the compiler: it takes what the sources have sent,
// however much that is, brings the ruleset up to date once, and applies the
// difference. A single event is so applied at once, and a burst as one.
//
// No object is kept: the compiler's inventory is the only copy of what the API
// server said, and a source keeps nothing but the names it has seen. That is
// why there are reflectors here and not informers, whose stores hold objects.
//
// Nothing is written to the kernel before every source is in sync, and nothing
// is removed when the agent stops: what an earlier agent enforced stays until
// this one knows better.
//
// Bounds that were hit are told in conditions of the agent's own pod, if it runs
// in one. The reporter looks at what the DNS proxy and the loop count anyway, so
// that neither waits for the API server.
package agent
