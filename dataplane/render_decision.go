// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// renderDecision returns the chain that counts and carries out a decision. It
// depends on nothing else, so it is never changed while it is in use and its
// counter lives as long as the decision.
func renderDecision(d ruleset.Decision) piece {
	exprs := append([]expr.Any{&expr.Counter{}}, carryOut(d)...)
	return piece{chains: []chain{{
		name:  decisionChain(d),
		rules: []rule{{exprs: exprs, comment: decisionComment(d)}},
	}}}
}

func carryOut(d ruleset.Decision) []expr.Any {
	switch {
	case d.Action == ruleset.Accept && d.Direction == ruleset.Egress:
		return []expr.Any{goTo(chainEgressAccepted)}
	case d.Action == ruleset.Accept:
		return accept()
	case d.Action == ruleset.Pass:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}
	default:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	}
}
