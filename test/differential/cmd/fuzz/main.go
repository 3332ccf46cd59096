// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command fuzz compares the oracle, the compiled Ruleset and a real kernel over
// random states until its time is over or a difference is found. It needs root,
// and makes network namespaces of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// reportEvery is how often the counts are printed.
const reportEvery = 10 * time.Second

// tries is how often a difference is tried to be seen again: one between two
// states depends on when a packet is sent.
const tries = 5

type options struct {
	seed     uint64
	duration time.Duration
	replay   string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return command().ExecuteContext(ctx)
}

func command() *cobra.Command {
	o := options{}
	c := &cobra.Command{
		Use:           "fuzz",
		Short:         "Compare oracle, compiler and kernel over random states",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what the random states follow from; the default is the time")
	c.Flags().DurationVar(&o.duration, "duration", time.Minute, "how long to go on")
	c.Flags().StringVar(&o.replay, "replay", "", "check the states of this file instead of random ones")
	return c
}

func (o options) run(ctx context.Context, out io.Writer) error {
	kernel, err := differential.NewKernel()
	if err != nil {
		return err
	}
	f := fuzzer{kernel: kernel, out: out, started: time.Now()}
	if o.replay != "" {
		err = f.replay(ctx, o.replay, o.seed)
	} else {
		err = f.fuzz(ctx, o)
	}
	return errors.Join(err, kernel.Close())
}

type fuzzer struct {
	kernel  *differential.Kernel
	out     io.Writer
	started time.Time
	counts  differential.Counts
}

// fuzz goes on until the time is over; the sequence of states under way is
// finished.
func (f *fuzzer) fuzz(ctx context.Context, o options) error {
	fmt.Fprintf(f.out, "seed %d\n", o.seed)
	r, reported := rand.New(rand.NewPCG(o.seed, 0)), f.started
	for time.Since(f.started) < o.duration && ctx.Err() == nil {
		states, seed := gen.Sequence(2, 8).Example(int(r.Int32())), r.Uint64()
		if err := f.check(ctx, states, seed); err != nil {
			return f.explain(ctx, states, seed, err)
		}
		if time.Since(reported) >= reportEvery {
			f.report()
			reported = time.Now()
		}
	}
	f.report()
	return ctx.Err()
}

func (f *fuzzer) check(ctx context.Context, states []*oracle.Cluster, seed uint64) error {
	counts, err := differential.CheckCompiler(states)
	f.counts.Add(counts)
	if err != nil {
		return err
	}
	counts, err = f.kernel.Check(ctx, states, seed)
	f.counts.Add(counts)
	return err
}

func (f *fuzzer) report() {
	fmt.Fprintf(f.out, "%s: %s\n", time.Since(f.started).Round(time.Second), f.counts)
}

// explain prints the smallest states that still fail, for --replay.
func (f *fuzzer) explain(ctx context.Context, states []*oracle.Cluster, seed uint64, failure error) error {
	f.report()
	fmt.Fprintf(f.out, "\ndifference: %v\nlooking for the smallest states that show it ...\n", failure)
	smallest, err := differential.Minimise(states, func(states []*oracle.Cluster) error { return f.retry(ctx, states, seed) })
	if err == nil {
		fmt.Fprintf(f.out, "%d tries did not show it again; these are the states\n", tries)
		err = failure
	}
	file, encodeErr := differential.Encode(smallest)
	fmt.Fprintf(f.out, "# fuzz --seed %d --replay FILE\n%s", seed, file)
	return errors.Join(err, encodeErr)
}

func (f *fuzzer) retry(ctx context.Context, states []*oracle.Cluster, seed uint64) error {
	for range tries {
		if err := f.check(ctx, states, seed); err != nil {
			return err
		}
	}
	return nil
}

func (f *fuzzer) replay(ctx context.Context, name string, seed uint64) error {
	file, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	states, err := differential.Decode(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	err = f.retry(ctx, states, seed)
	f.report()
	return err
}
