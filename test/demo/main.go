// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo shows on a real two-node cluster what Tierwall does with the
// samples: `make demo` and `make demo-down`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/test/cluster"
)

// clusterName is not configurable: there is one demo on a machine.
const clusterName = "demo"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
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
		Use:           "demo",
		Short:         "Show on a real cluster what Tierwall does with the samples",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUpCommand(), newDownCommand())
	return root
}

func newUpCommand() *cobra.Command {
	var artifacts string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, install Tierwall, apply the samples and measure",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return newShow(artifacts, cmd.OutOrStdout()).run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&artifacts, "artifacts", "_artifacts", "directory that `make images` wrote to")
	return cmd
}

func newDownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove everything that the demo made",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cluster.Cleanup(cmd.Context(), clusterName); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The demo's cluster and all that belongs to it are gone.")
			return nil
		},
	}
}
