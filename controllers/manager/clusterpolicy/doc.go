// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clusterpolicy tells the authors of ClusterNetworkPolicies, of both
// kinds, what Tierwall makes of them: it writes the conditions Accepted and
// PriorityConflict, and an event when one of them changes for better or worse.
//
// Its unit of work is a rank, that is a tier and a priority, and not a policy:
// the policies of one rank are those that can be in conflict, so one look at
// them serves them all, and no policy waits for another one's turn.
//
// It decides nothing: agents enforce policies without these conditions.
package clusterpolicy
