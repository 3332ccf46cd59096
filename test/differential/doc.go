// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package differential compares three answers to what becomes of a packet: that
// of package oracle, that of the compiled Ruleset, and that of a real kernel with
// the Ruleset in it. States come from package gen, or from a file that a failure
// was written to.
package differential
