// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestBoundsCountWhatIsDropped(t *testing.T) {
	cfg := Config{Logger: logr.Discard(), Limits: Limits{QueriesPerPod: 1}}
	cfg.setDefaults()
	p := &Proxy{config: cfg, gate: newGate(cfg.Limits), cache: newCache(cfg), metrics: newMetrics(), tallies: newTallies(cfg.Limits)}
	registry := prometheus.NewRegistry()
	if err := p.metrics.register(registry, p); err != nil {
		t.Fatal(err)
	}

	pod := ip("192.0.2.1")
	for range 3 {
		p.admit(t.Context(), protocolUDP, pod)
	}
	p.failed(t.Context(), protocolUDP, pod, fmt.Errorf("hold: %w", &boundError{BoundNames, cfg.Limits.Names, "a.test"}))

	want := []Bound{
		{BoundNames, 50_000, 1}, {BoundAddresses, 100_000, 0}, {BoundAddressesPerName, 1_000, 0},
		{BoundQueries, 4_096, 0}, {BoundQueriesPerPod, 1, 2},
	}
	if diff := cmp.Diff(want, p.Bounds()); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
	if n, err := testutil.GatherAndCount(registry, "tierwall_dns_bound_hits_total"); err != nil || n != len(want) {
		t.Errorf("%d metrics for %d bounds (error %v)", n, len(want), err)
	}
}

func TestBoundErrorTellsNameOnlyWhenThereIsOne(t *testing.T) {
	for name, test := range map[string]struct {
		err  boundError
		want string
	}{
		"answer": {boundError{BoundNames, 3, "a.test"}, "no room to learn addresses of a.test: the bound names of 3 is reached"},
		"query":  {boundError{BoundQueries, 3, ""}, "no room for another query: the bound queries of 3 is reached"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
