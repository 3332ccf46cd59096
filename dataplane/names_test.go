// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/ruleset"
)

func TestDecisionNames(t *testing.T) {
	guard := ruleset.PolicyKey{Kind: ruleset.KindTierwall, Name: "guard"}
	web := ruleset.PolicyKey{Kind: ruleset.KindNetworkPolicy, Namespace: "shop", Name: "web"}
	for name, test := range map[string]struct {
		decision       ruleset.Decision
		chain, comment string
	}{
		"a rule with a name": {
			ruleset.Decision{Action: ruleset.Deny, Tier: ruleset.Admin, Direction: ruleset.Egress, Policy: guard, Rule: 2, RuleName: "no-metadata"},
			"deny/admin-egress/tcnp/guard/2-no-metadata", "tcnp/guard egress rule 2 no-metadata",
		},
		"a rule without a name": {
			ruleset.Decision{Action: ruleset.Pass, Tier: ruleset.Baseline, Policy: guard},
			"pass/baseline-ingress/tcnp/guard/0", "tcnp/guard ingress rule 0",
		},
		"default deny": {
			ruleset.Decision{Action: ruleset.Deny, Tier: ruleset.NetworkPolicy, Policy: web, Rule: ruleset.DefaultDeny},
			"deny/networkpolicy-ingress/netpol/shop/web/default", "netpol/shop/web ingress: default deny, no rule accepts",
		},
		"fail closed": {
			ruleset.Decision{Action: ruleset.Deny, Tier: ruleset.Admin, Policy: guard, Rule: 1, FailClosed: true},
			"deny/admin-ingress/tcnp/guard/not-understood-1", "tcnp/guard ingress rule 1: not understood, so it denies all",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decisionChain(test.decision); got != test.chain {
				t.Errorf("chain %q, want %q", got, test.chain)
			}
			if got := decisionComment(test.decision); got != test.comment {
				t.Errorf("comment %q, want %q", got, test.comment)
			}
		})
	}
}

// TestNamesHold has names of any text and length: chains are identifiers of nft
// that differ where decisions do, and comments can be read back.
func TestNamesHold(t *testing.T) {
	identifier := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9/._-]{0,254}$`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := randomNamedDecision(t), randomNamedDecision(t)
		if name := decisionChain(a); !identifier.MatchString(name) {
			t.Errorf("chain name %q of %d bytes", name, len(name))
		}
		if (a == b) != (decisionChain(a) == decisionChain(b)) {
			t.Errorf("%+v and %+v have the chains %q and %q", a, b, decisionChain(a), decisionChain(b))
		}
		comment := decisionComment(a)
		if len(comment) > commentLimit || !utf8.ValidString(comment) || strings.ContainsAny(comment, "\"\n") {
			t.Errorf("comment %q of %d bytes", comment, len(comment))
		}
	})
}

func randomNamedDecision(t *rapid.T) ruleset.Decision {
	return ruleset.Decision{
		Action:    rapid.SampledFrom(actions()[1:]).Draw(t, "action"),
		Tier:      rapid.SampledFrom([]ruleset.Tier{ruleset.Admin, ruleset.Baseline}).Draw(t, "tier"),
		Direction: rapid.SampledFrom(directions()).Draw(t, "direction"),
		Policy:    ruleset.PolicyKey{Name: rapid.SampledFrom([]string{"a", "a.b", strings.Repeat("x", 253)}).Draw(t, "policy")},
		Rule:      rapid.IntRange(0, 2).Draw(t, "rule"),
		RuleName:  rapid.OneOf(rapid.Just(""), rapid.StringN(0, 100, -1), rapid.SampledFrom([]string{"a b", "a_b", "a\tb"})).Draw(t, "rule name"),
	}
}

func TestNumbers(t *testing.T) {
	if got, want := must(numberOf(7)), (number{7, 0, 0, 7}); got != want {
		t.Errorf("number of 7 is %v, want %v", got, want)
	}
	seen := map[number]uint32{}
	for n := range uint32(4 * reloadable) {
		v := must(numberOf(n))
		if other, ok := seen[v]; ok {
			t.Fatalf("%d and %d have the same number %v", n, other, v)
		}
		seen[v] = n
		if got, want := isReloadable(string(v[:])), n < reloadable; got != want {
			t.Fatalf("reloadable %d: %t, want %t", n, got, want)
		}
	}
	if _, err := numberOf(numberLimit); err == nil {
		t.Error("there is a number beyond the limit")
	}
}

func must[T any](t T, err error) T {
	if err != nil {
		panic(err)
	}
	return t
}
