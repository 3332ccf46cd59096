// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tierwall/tierwall/internal/netnstest"
)

func main() {
	os.Exit(run())
}

// run returns the exit status.
func run() int {
	isolated, status, err := netnstest.Isolate()
	if err == nil && isolated {
		ctrllog.SetLogger(logr.Discard())
		err = newCommand().Execute()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return status
}

// effort is how much is measured.
type effort struct {
	// small measures at the smallest sizes and only once, to see that it works.
	small bool
}

// rounds is how often each variant is measured; the median counts.
func (e effort) rounds() int {
	if e.small {
		return 1
	}
	return 15
}

func newCommand() *cobra.Command {
	var e effort
	root := &cobra.Command{
		Use: "bench", Short: "Measure what docs/performance.md states", SilenceUsage: true, SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error { return runAll(e) },
	}
	root.PersistentFlags().BoolVar(&e.small, "small", false, "measure once at the smallest sizes, to see that the benchmarks work")
	for _, b := range benchmarks() {
		root.AddCommand(&cobra.Command{Use: b.name, Short: b.short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return b.run(e) }})
	}
	root.AddCommand(&cobra.Command{
		Use: "report", Short: "draw figures of _artifacts/bench.md beside it", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runReport() },
	})
	root.AddCommand(&cobra.Command{
		Use: "profile", Short: "profile an agent in a large cluster until it is in sync, into _artifacts", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runProfile(e) },
	})
	return root
}

// benchmark is one of the tables.
type benchmark struct {
	name, short string
	run         func(effort) error
}

func benchmarks() []benchmark {
	return []benchmark{
		{"packets", "what the first packet of a connection costs", runPackets},
		{"established", "throughput and connection rate", runEstablished},
		{"updates", "what an event costs, from the compiler to the kernel", runUpdates},
		{"growth", "how the compiler's cost grows", runGrowth},
		{"effects", "from a write to the API to packets", runEffects},
		{"sizes", "start, memory of the agent and of the table", runSizes},
	}
}

func runAll(e effort) error {
	for _, b := range benchmarks() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", b.name, b.short)
		if err := b.run(e); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}
