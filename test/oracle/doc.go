// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oracle says what must happen to a packet, by reading Kubernetes
// objects one after the other for every packet.
//
// It is written from the godoc of the three policy kinds and shares nothing with
// package ruleset, so that both can be compared. It is slow on purpose: nothing
// is compiled, every selector is evaluated anew, and the tiers are walked in
// order.
package oracle
