// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// Counter says how often a decision was made.
type Counter struct {
	Decision ruleset.Decision
	// Packets and Bytes count the first packets of connections (all packets,
	// where there is no connection yet because of the decision), since the
	// decision's chain was last written.
	Packets, Bytes uint64
}

// Counters reads the counters of all decisions in the applied table, in no
// particular order. There are none before the first Apply.
func (d *Dataplane) Counters(ctx context.Context) ([]Counter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mirror == nil {
		return nil, nil
	}
	counters := make([]Counter, 0, len(d.mirror.decisions))
	for decision := range d.mirror.decisions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := d.counter(decision)
		if err != nil {
			return nil, err
		}
		counters = append(counters, c)
	}
	return counters, nil
}

func (d *Dataplane) counter(decision ruleset.Decision) (Counter, error) {
	name := decisionChain(decision)
	rules, err := d.conn.GetRules(ownTable(), &nftables.Chain{Name: name})
	if err != nil {
		return Counter{}, fmt.Errorf("read counter of chain %s: %w", name, err)
	}
	c := Counter{Decision: decision}
	for _, r := range rules {
		for _, e := range r.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				c.Packets, c.Bytes = counter.Packets, counter.Bytes
			}
		}
	}
	return c, nil
}
