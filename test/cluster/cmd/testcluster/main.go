// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command testcluster runs real Kubernetes clusters on this machine, without
// a container engine. See test/cluster/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", err)
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
		Use:           "testcluster",
		Short:         "Run real Kubernetes clusters on this machine, without a container engine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var name string
	onCluster := []*cobra.Command{
		newUpCommand(&name), newDownCommand(&name), newKubeconfigCommand(&name),
		newLoadCommand(&name), newExecCommand(&name), newHostCommand(&name),
	}
	for _, cmd := range onCluster {
		cmd.PersistentFlags().StringVar(&name, "name", "dev", "name of the cluster")
	}
	root.AddCommand(onCluster...)
	root.AddCommand(newBinariesCommand(), newImageCommand())
	return root
}

// printProgress writes the steps of a command beside its result.
func printProgress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// printOutput passes on what a command elsewhere wrote.
func printOutput(cmd *cobra.Command, stdout, stderr string) error {
	_, errStdout := fmt.Fprint(cmd.OutOrStdout(), stdout)
	_, errStderr := fmt.Fprint(cmd.ErrOrStderr(), stderr)
	return errors.Join(errStdout, errStderr)
}
