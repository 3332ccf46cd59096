// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/test/cluster"
)

func newHostCommand(name *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "host",
		Short: "Add hosts outside of the cluster and run commands on them",
	}
	cmd.AddCommand(newHostAddCommand(name), newHostRunCommand(name))
	return cmd
}

func newHostAddCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "add HOST ADDRESS...",
		Short: "Add a host with the addresses",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg := cluster.HostConfig{Name: args[0]}
			for _, a := range args[1:] {
				address, err := netip.ParseAddr(a)
				if err != nil {
					return fmt.Errorf("host %s: address %q: %w", args[0], a, err)
				}
				cfg.Addresses = append(cfg.Addresses, address)
			}
			c, err := cluster.Attach(*name)
			if err != nil {
				return err
			}
			_, err = c.AddHost(cfg)
			return err
		},
	}
}

func newHostRunCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run HOST -- COMMAND...",
		Short: "Run a command on a host to its end",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Attach(*name)
			if err != nil {
				return err
			}
			host, err := c.Host(args[0])
			if err != nil {
				return err
			}
			stdout, stderr, err := host.Run(cmd.Context(), args[1:]...)
			return errors.Join(err, printOutput(cmd, stdout, stderr))
		},
	}
}
