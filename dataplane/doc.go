// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dataplane is the nftables edge: it renders a [ruleset.Ruleset] into
// the one table "inet tierwall", and keeps the kernel's table equal to it.
//
// Rendering and comparing are pure: parts of a Ruleset become plain data
// (pieces), pieces are compared with what was applied (the mirror), and the
// difference is a transaction, whose parts are sent as netlink batches. README.md
// has the packet path and the reasons.
package dataplane
