// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/ruleset"
)

var updateGolden = flag.Bool("update", false, "write testdata instead of comparing with it")

// TestListing compares what nft shows with testdata (go test -update writes it),
// and loads the listing back: it must list the same, and decide the same.
func TestListing(t *testing.T) {
	f := newFixture(t)
	for name, rs := range map[string]*ruleset.Ruleset{
		"empty":    {},
		"guarded":  guarded(),
		"defaults": networkPolicies(),
	} {
		t.Run(name, func(t *testing.T) {
			f.nft(t, "flush ruleset", "-f", "-")
			if _, err := f.plane.Resync(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
			got := f.list(t)
			path := filepath.Join("testdata", name+".nft")
			if *updateGolden {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("listing (-want +got):\n%s", diff)
			}
			f.nft(t, "delete table inet tierwall; "+got, "-f", "-")
			if diff := cmp.Diff(got, f.list(t)); diff != "" {
				t.Errorf("listing after it was loaded (-want +got):\n%s", diff)
			}
			if name == "guarded" {
				f.checkGuarded(t)
			}
		})
	}
}

// networkPolicies is a ruleset with a default deny, and with names that are
// longer than nft takes or that it could not read back.
func networkPolicies() *ruleset.Ruleset {
	rs := emptyRuleset()
	policy := ruleset.PolicyKey{Kind: ruleset.KindNetworkPolicy, Namespace: "shop", Name: strings.Repeat("long.", 50)}
	judge(rs, podA, withRow(stack("np", ruleset.Ingress, ruleset.NetworkPolicy, ruleset.Row{Rest: &ruleset.Decision{
		Action: ruleset.Deny, Tier: ruleset.NetworkPolicy, Policy: policy, Rule: ruleset.DefaultDeny,
	}}), classPodB, ruleset.Row{Rest: &ruleset.Decision{
		Action: ruleset.Accept, Tier: ruleset.NetworkPolicy, Policy: policy, Rule: 3,
	}}))
	cnp := ruleset.PolicyKey{Kind: ruleset.KindUpstream, Name: "guard"}
	judge(rs, podA, withRow(stack("cnp", ruleset.Ingress, ruleset.Baseline, ruleset.Row{Rest: &ruleset.Decision{
		Action: ruleset.Deny, Tier: ruleset.Baseline, Policy: cnp, Rule: 1, FailClosed: true,
	}}), classPodB, ruleset.Row{Rest: &ruleset.Decision{
		Action: ruleset.Pass, Tier: ruleset.Baseline, Policy: cnp, RuleName: "say \"hällo\"\nto " + strings.Repeat("ö", 60),
	}}))
	return rs
}
