// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
)

func TestRuleCountersNameWhatDecided(t *testing.T) {
	kernel := newFakeKernel()
	kernel.counters = []dataplane.Counter{
		{
			Decision: ruleset.Decision{
				Action: ruleset.Deny, Tier: ruleset.Admin, Direction: ruleset.Egress,
				Policy: ruleset.PolicyKey{Kind: ruleset.KindTierwall, Name: "metadata"}, Rule: 2, RuleName: "block",
			},
			Packets: 3, Bytes: 180,
		},
		{
			Decision: ruleset.Decision{
				Action: ruleset.Deny, Tier: ruleset.NetworkPolicy, Direction: ruleset.Ingress,
				Policy: ruleset.PolicyKey{Kind: ruleset.KindNetworkPolicy, Namespace: "shop", Name: "web"}, Rule: ruleset.DefaultDeny,
			},
			Packets: 1, Bytes: 60,
		},
	}
	const want = `
# HELP tierwall_rule_packets_total First packets of connections that a policy's rule decided on this node. The rule is its index in the policy's list for the direction, or "default-deny".
# TYPE tierwall_rule_packets_total counter
tierwall_rule_packets_total{action="Deny",direction="Egress",name="block",policy="tcnp/metadata",rule="2",tier="Admin"} 3
tierwall_rule_packets_total{action="Deny",direction="Ingress",name="",policy="netpol/shop/web",rule="default-deny",tier="NetworkPolicy"} 1
# HELP tierwall_rule_series_omitted Rules that are missing in this scrape, to bound its size: those with the fewest packets.
# TYPE tierwall_rule_series_omitted gauge
tierwall_rule_series_omitted 0
`
	err := testutil.CollectAndCompare(newRuleCounters(kernel, logr.Discard()), strings.NewReader(want),
		"tierwall_rule_packets_total", "tierwall_rule_series_omitted")
	if err != nil {
		t.Error(err)
	}
}

func TestRuleCountersAreBoundedAndKeepTheBusiest(t *testing.T) {
	kernel := newFakeKernel()
	for i := range maxRuleSeries + 10 {
		kernel.counters = append(kernel.counters, dataplane.Counter{
			Decision: ruleset.Decision{Policy: ruleset.PolicyKey{Name: fmt.Sprint("p", i)}},
			Packets:  uint64(i),
		})
	}
	c := newRuleCounters(kernel, logr.Discard())
	expect(t, testutil.CollectAndCount(c, "tierwall_rule_packets_total"), maxRuleSeries)
	err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP tierwall_rule_series_omitted Rules that are missing in this scrape, to bound its size: those with the fewest packets.
# TYPE tierwall_rule_series_omitted gauge
tierwall_rule_series_omitted 10
`), "tierwall_rule_series_omitted")
	if err != nil {
		t.Error(err)
	}
}
