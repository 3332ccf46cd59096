// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/tierwall/tierwall/test/oracle"
)

// packetsPerState is how many packets are sent in each state, probesPerState how
// many of them again and again on the way to it.
const (
	packetsPerState = 400
	probesPerState  = 80
)

// Counts is how much was compared.
type Counts struct {
	// States and Transitions are those of the kernel; Updates those of Compilers.
	States, Transitions, Updates int
	// Verdicts are packets given to the Ruleset, Packets those sent in a state,
	// Probes those sent on the way from one to the next.
	Verdicts, Packets, Probes int
}

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	c.States += other.States
	c.Transitions += other.Transitions
	c.Updates += other.Updates
	c.Verdicts += other.Verdicts
	c.Packets += other.Packets
	c.Probes += other.Probes
}

// String returns the counts for people.
func (c Counts) String() string {
	return fmt.Sprintf("%d states, %d transitions, %d packets, %d probes in transitions, %d verdicts, %d updates",
		c.States, c.Transitions, c.Packets, c.Probes, c.Verdicts, c.Updates)
}

// CheckCompiler compares the compiled Ruleset of each state with the oracle, and
// takes Compilers through the states in all ways.
func CheckCompiler(states []*oracle.Cluster) (Counts, error) {
	var counts Counts
	for i, state := range states {
		agent := NewAgent()
		agent.Load(state)
		agent.Compiler.Update()
		n, err := CompareVerdicts(state, agent.Compiler.Ruleset())
		counts.Verdicts += n
		if err != nil {
			return counts, fmt.Errorf("state %d: %w", i, err)
		}
	}
	for name, way := range Ways() {
		n, err := Walk(states, way)
		counts.Updates += n
		if err != nil {
			return counts, fmt.Errorf("%s: %w", name, err)
		}
	}
	return counts, nil
}

// Check starts an agent anew on the kernel, takes it through the states and back
// to the first, and compares what becomes of packets in each state and in
// between. The seed draws the packets.
func (k *Kernel) Check(ctx context.Context, states []*oracle.Cluster, seed uint64) (Counts, error) {
	var counts Counts
	if err := k.Restart(); err != nil {
		return counts, err
	}
	r := rand.New(rand.NewPCG(seed, 0))
	var from *oracle.Cluster
	for i, state := range there(states) {
		n, err := k.step(ctx, r, from, state)
		counts.Add(n)
		if err != nil {
			return counts, fmt.Errorf("step %d: %w", i, err)
		}
		from = state
	}
	return counts, nil
}

// there returns the states with the way back.
func there(states []*oracle.Cluster) []*oracle.Cluster {
	back := slices.Clone(states[:len(states)-1])
	slices.Reverse(back)
	return slices.Concat(states, back)
}

// step goes to a state from another; nil is a table that an agent before left.
func (k *Kernel) step(ctx context.Context, r *rand.Rand, from, to *oracle.Cluster) (Counts, error) {
	counts := Counts{States: 1}
	var packets []oracle.Packet
	if from == nil {
		packets = Sample(r, packetsPerState, to)
		if err := k.Reach(ctx, to); err != nil {
			return counts, err
		}
	} else {
		packets = Sample(r, packetsPerState, from, to)
		n, err := k.Transition(ctx, from, to, packets[:probesPerState])
		counts.Transitions, counts.Probes = 1, n
		if err != nil {
			return counts, err
		}
	}
	counts.Packets = len(packets)
	return counts, k.Compare(to, packets)
}
