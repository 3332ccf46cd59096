// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command probe makes connections and tells, as JSON, what came of them. It is
// in the image of the test pods.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/test/story/prober"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return newCommand().ExecuteContext(ctx)
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "probe",
		Short:         "Make connections and tell what came of them",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newConnectCommand(), newRepeatCommand(), newConverseCommand(), newResolveCommand(), newWaitCommand())
	return root
}

func newConnectCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "connect TARGET...",
		Short: "Connect once to each tcp://, udp:// or dns://HOST:PORT",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, targets []string) error {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(prober.Connect(cmd.Context(), timeout, targets))
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Second, "patience for each connection")
	return cmd
}

func newRepeatCommand() *cobra.Command {
	var timeout, interval, duration time.Duration
	cmd := &cobra.Command{
		Use:   "repeat TARGET...",
		Short: "Connect to each target again and again",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, targets []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), duration)
			defer cancel()
			return json.NewEncoder(cmd.OutOrStdout()).Encode(prober.Repeat(ctx, interval, timeout, targets))
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Second, "patience for each connection")
	cmd.Flags().DurationVar(&interval, "interval", 50*time.Millisecond, "time between connections")
	cmd.Flags().DurationVar(&duration, "for", 10*time.Second, "how long to go on")
	return cmd
}

func newConverseCommand() *cobra.Command {
	var timeout, interval, duration time.Duration
	cmd := &cobra.Command{
		Use:   "converse HOST:PORT",
		Short: "Send HTTP requests on one connection",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), duration)
			defer cancel()
			return json.NewEncoder(cmd.OutOrStdout()).Encode(prober.Converse(ctx, interval, timeout, args[0]))
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "patience for each request")
	cmd.Flags().DurationVar(&interval, "interval", 100*time.Millisecond, "time between requests")
	cmd.Flags().DurationVar(&duration, "for", 10*time.Second, "how long to go on")
	return cmd
}

func newResolveCommand() *cobra.Command {
	var cfg prober.ResolveConfig
	cmd := &cobra.Command{
		Use:   "resolve DOMAIN",
		Short: "Resolve n0.DOMAIN, n1.DOMAIN and so on, and connect to each address at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Domain = args[0]
			return json.NewEncoder(cmd.OutOrStdout()).Encode(prober.Resolve(cmd.Context(), cfg))
		},
	}
	cmd.Flags().StringVar(&cfg.Server, "server", "", "HOST:PORT of the DNS server; the pod's own if empty")
	cmd.Flags().StringVar(&cfg.Network, "network", "", "udp or tcp; what a resolver does if empty")
	cmd.Flags().IntVar(&cfg.First, "first", 0, "number of the first name")
	cmd.Flags().IntVar(&cfg.Count, "count", 1, "how many names")
	cmd.Flags().IntVar(&cfg.Workers, "workers", 4, "how many at the same time")
	cmd.Flags().StringVar(&cfg.Port, "port", "443", "TCP port to connect to")
	cmd.Flags().DurationVar(&cfg.Timeout, "timeout", 5*time.Second, "patience for each answer and connection")
	return cmd
}

func newWaitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "wait",
		Short: "Do nothing until a signal, so that a container stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			<-cmd.Context().Done()
			return nil
		},
	}
}
