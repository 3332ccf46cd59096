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

func newUpCommand(name *string) *cobra.Command {
	var cfg cluster.Config
	var family, cni string
	var upstreams []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster, in place of one of the same name, and print its kubeconfig's path",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Name, cfg.IPFamily, cfg.CNI = *name, cluster.IPFamily(family), cluster.CNI(cni)
			cfg.Progress = printProgress
			for _, u := range upstreams {
				upstream, err := netip.ParseAddrPort(u)
				if err != nil {
					return fmt.Errorf("--dns-upstream %q: give ADDRESS:PORT: %w", u, err)
				}
				cfg.DNSUpstreams = append(cfg.DNSUpstreams, upstream)
			}
			c, err := cluster.Start(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Println(c.Kubeconfig())
			return nil
		},
	}
	cmd.Flags().IntVar(&cfg.Nodes, "nodes", 2, "number of nodes")
	cmd.Flags().StringVar(&family, "ip-family", string(cluster.DualStack), "dual, ipv4 or ipv6")
	cmd.Flags().StringVar(&cni, "cni", string(cluster.PTP), "plugin that connects pods: ptp or bridge")
	cmd.Flags().StringSliceVar(&upstreams, "dns-upstream", nil, "ADDRESS:PORT that cluster DNS asks for names outside the cluster")
	return cmd
}

func newDownCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove a cluster and all that belongs to it, also after a crash",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cluster.Cleanup(cmd.Context(), *name)
		},
	}
}

func newKubeconfigCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the cluster's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := cluster.Attach(*name)
			if err != nil {
				return err
			}
			fmt.Println(c.Kubeconfig())
			return nil
		},
	}
}

func newLoadCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "load ARCHIVE...",
		Short: "Import image archives into every node",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			c, err := cluster.Attach(*name)
			if err != nil {
				return err
			}
			for _, archive := range archives {
				if err := c.LoadImage(cmd.Context(), archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newExecCommand(name *string) *cobra.Command {
	var namespace, container string
	cmd := &cobra.Command{
		Use:   "exec POD -- COMMAND...",
		Short: "Run a command in a pod",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Attach(*name)
			if err != nil {
				return err
			}
			stdout, stderr, err := c.Exec(cmd.Context(), namespace, args[0], container, args[1:]...)
			return errors.Join(err, printOutput(cmd, stdout, stderr))
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "default", "namespace of the pod")
	cmd.Flags().StringVarP(&container, "container", "c", "", "container of the pod; its only one when empty")
	return cmd
}
