// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/ruleset"
)

// metrics are what the agent counts about itself.
type metrics struct {
	operations  *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	latency     *prometheus.HistogramVec
	messages    prometheus.Counter
	elements    prometheus.Counter
	objects     *prometheus.GaugeVec
	watchErrors *prometheus.CounterVec
	rulesetSize *prometheus.GaugeVec
	reloadable  prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tierwall_operations_total",
			Help: "Operations on the kernel's table: apply (a difference) and resync (a repair, or a retry after a failure), by result (success, failure).",
		}, []string{"operation", "result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tierwall_operation_duration_seconds",
			Help:    "How long operations on the kernel's table took, those that failed included.",
			Buckets: latencyBuckets(),
		}, []string{"operation"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tierwall_event_to_commit_seconds",
			Help:    "Time from an event's arrival from the API server until the kernel has it, by source. Events that change nothing for this node are not in it.",
			Buckets: latencyBuckets(),
		}, []string{"source"}),
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tierwall_netlink_messages_total",
			Help: "Netlink messages sent to the kernel.",
		}),
		elements: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tierwall_netlink_elements_total",
			Help: "Set and map elements added to or deleted from the kernel's table.",
		}),
		objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tierwall_objects",
			Help: "Objects that the API server has, by source.",
		}, []string{"source"}),
		watchErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tierwall_watch_errors_total",
			Help: "Lists and watches that the API server refused or did not answer, by source.",
		}, []string{"source"}),
		rulesetSize: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tierwall_ruleset_size",
			Help: "Size of the ruleset in force on this node, by part: policies and pods of the whole cluster; subjects (addresses of this node's pods that policies apply to); endpoints (addresses with an identity) and those of them that are listed; networks (ranges of other addresses); classes; stacks, and their rows and distinct_rows.",
		}, []string{"part"}),
		reloadable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tierwall_table_reloadable",
			Help: "1 if a listing of the kernel's table can be loaded back, 0 if it has too many classes for that.",
		}),
	}
}

// latencyBuckets are 0.1 ms to 26 s, in steps of two.
func latencyBuckets() []float64 { return prometheus.ExponentialBuckets(0.0001, 2, 19) }

// register adds the metrics and further collectors to r.
func (m *metrics) register(r prometheus.Registerer, others ...prometheus.Collector) error {
	for _, c := range append(others, m.operations, m.durations, m.latency, m.messages, m.elements, m.objects, m.watchErrors, m.rulesetSize, m.reloadable) {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) observeOperation(operation string, took time.Duration, result dataplane.Result, err error) {
	outcome := "success"
	if err != nil {
		outcome = "failure"
	}
	m.operations.WithLabelValues(operation, outcome).Inc()
	m.durations.WithLabelValues(operation).Observe(took.Seconds())
	m.messages.Add(float64(result.Messages))
	m.elements.Add(float64(result.Elements))
}

func (m *metrics) observeCommit(received []message, now time.Time) {
	for _, r := range received {
		m.latency.WithLabelValues(r.source).Observe(now.Sub(r.received).Seconds())
	}
}

// observeRuleset tells the size of what was applied.
func (m *metrics) observeRuleset(stats ruleset.Stats, result dataplane.Result) {
	m.reloadable.Set(1)
	if result.Unreloadable {
		m.reloadable.Set(0)
	}
	for part, n := range map[string]int{
		"policies":      stats.Policies,
		"pods":          stats.Pods,
		"subjects":      stats.Subjects,
		"endpoints":     stats.Endpoints,
		"listed":        stats.Listed,
		"networks":      stats.Networks,
		"classes":       stats.Classes,
		"stacks":        stats.Stacks,
		"rows":          stats.Rows,
		"distinct_rows": stats.DistinctRows,
	} {
		m.rulesetSize.WithLabelValues(part).Set(float64(n))
	}
}
