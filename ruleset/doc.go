// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ruleset is the pure core of Tierwall: the policy model, the classes,
// the compiler that turns policies and an inventory into one tiered [Ruleset]
// for a node, and the evaluator that reads a Ruleset the way the kernel does.
//
// Data flows one way. The three policy kinds are converted to one [Policy]
// model, cluster objects to [Pod], [Node] and namespace labels; a [Compiler]
// keeps what it was told and brings its Ruleset up to date; the dataplane
// renders that. Nothing here does I/O, reads a clock, locks, or starts a
// goroutine, and the outcome depends on the current state only, never on the
// order in which it came about.
package ruleset
