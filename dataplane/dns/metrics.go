// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// How a query ended, as metrics call it.
const (
	resultAnswered    = "answered"
	resultMalformed   = "malformed"
	resultNoAnswer    = "no_answer"
	resultHoldTimeout = "hold_timeout"
	resultBound       = "bound"
)

// Who sent a message that was passed to nobody.
const (
	fromPod    = "pod"
	fromServer = "server"
)

type metrics struct {
	queries   *prometheus.CounterVec
	durations *prometheus.HistogramVec
	holds     prometheus.Histogram
	malformed *prometheus.CounterVec
	untrusted prometheus.Counter
}

func newMetrics() *metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 17)
	return &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tierwall_dns_queries_total",
			Help: "DNS queries of pods, by protocol (udp, tcp) and result (answered, malformed, no_answer, hold_timeout, bound). All but the answered were dropped.",
		}, []string{"protocol", "result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tierwall_dns_query_duration_seconds", Buckets: seconds,
			Help: "Time from a pod's DNS query to its answer, the server's part included, by protocol (udp, tcp).",
		}, []string{"protocol"}),
		holds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tierwall_dns_hold_duration_seconds", Buckets: seconds,
			Help: "How long answers with new addresses were held until the kernel had them, or the time was up.",
		}),
		malformed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tierwall_dns_malformed_messages_total",
			Help: "Messages passed to nobody, by sender (pod, server): no DNS messages, no queries, or no answers to the question asked.",
		}, []string{"from"}),
		untrusted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tierwall_dns_untrusted_answers_total",
			Help: "Answers passed on without opening their addresses, because the server is a pod outside of the trusted namespaces.",
		}),
	}
}

// register adds the metrics, those of the proxy's size and of its bounds included.
func (m *metrics) register(r prometheus.Registerer, p *Proxy) error {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	collectors := []prometheus.Collector{
		m.queries, m.durations, m.holds, m.malformed, m.untrusted,
		gauge("tierwall_dns_names", "Domain names that addresses are learned for.", func() float64 {
			names, _ := p.cache.size()
			return float64(names)
		}),
		gauge("tierwall_dns_addresses", "Addresses learned for domain names; one counts for each of its names.", func() float64 {
			_, addresses := p.cache.size()
			return float64(addresses)
		}),
		gauge("tierwall_dns_queries_in_flight", "DNS queries of pods under way.", func() float64 {
			return float64(p.gate.inFlight())
		}),
	}
	for _, t := range p.tallies {
		collectors = append(collectors, boundHits(t))
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics of the DNS proxy: %w", err)
		}
	}
	return nil
}

// boundHits returns the metric of a bound, which is there before its first hit:
// alerts on an increase see that one too.
func boundHits(t *tally) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name:        "tierwall_dns_bound_hits_total",
		Help:        "DNS queries and answers dropped because a bound was reached, by bound (names, addresses, addresses_per_name, queries, queries_per_pod).",
		ConstLabels: prometheus.Labels{"bound": t.name},
	}, func() float64 { return float64(t.hits.Load()) })
}
