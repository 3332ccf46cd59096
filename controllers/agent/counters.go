// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
)

// maxRuleSeries bounds the rules that are in one scrape.
const maxRuleSeries = 5000

// counterTimeout bounds how long a scrape waits for the kernel.
const counterTimeout = 5 * time.Second

// ruleCounters shows what the kernel has counted for each decision. It reads
// the kernel when it is scraped, and not otherwise.
type ruleCounters struct {
	kernel  kernel
	log     logr.Logger
	packets *prometheus.Desc
	bytes   *prometheus.Desc
	omitted *prometheus.Desc
}

func newRuleCounters(k kernel, log logr.Logger) *ruleCounters {
	labels := []string{"tier", "policy", "rule", "name", "direction", "action"}
	return &ruleCounters{
		kernel: k,
		log:    log,
		packets: prometheus.NewDesc("tierwall_rule_packets_total",
			"First packets of connections that a policy's rule decided on this node. The rule is its index in the policy's list for the direction, or \"default-deny\".", labels, nil),
		bytes: prometheus.NewDesc("tierwall_rule_bytes_total",
			"Bytes of the packets in tierwall_rule_packets_total.", labels, nil),
		omitted: prometheus.NewDesc("tierwall_rule_series_omitted",
			"Rules that are missing in this scrape, to bound its size: those with the fewest packets.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (r *ruleCounters) Describe(out chan<- *prometheus.Desc) {
	out <- r.packets
	out <- r.bytes
	out <- r.omitted
}

// Collect implements prometheus.Collector.
func (r *ruleCounters) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), counterTimeout)
	defer cancel()
	counters, err := r.kernel.Counters(ctx)
	if err != nil {
		r.log.Error(err, "Cannot read the kernel's counters; this scrape is without them")
		return
	}
	shown := counters
	if len(shown) > maxRuleSeries {
		slices.SortFunc(shown, func(a, b dataplane.Counter) int { return cmp.Compare(b.Packets, a.Packets) })
		shown = shown[:maxRuleSeries]
	}
	for _, c := range shown {
		labels := counterLabels(c.Decision)
		out <- prometheus.MustNewConstMetric(r.packets, prometheus.CounterValue, float64(c.Packets), labels...)
		out <- prometheus.MustNewConstMetric(r.bytes, prometheus.CounterValue, float64(c.Bytes), labels...)
	}
	out <- prometheus.MustNewConstMetric(r.omitted, prometheus.GaugeValue, float64(len(counters)-len(shown)))
}

func counterLabels(d ruleset.Decision) []string {
	rule := "default-deny"
	if d.Rule != ruleset.DefaultDeny {
		rule = strconv.Itoa(d.Rule)
	}
	return []string{d.Tier.String(), d.Policy.String(), rule, d.RuleName, d.Direction.String(), d.Action.String()}
}
