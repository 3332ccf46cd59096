// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// The agent enforces the cluster's policies for the pods of one node.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tierwall/tierwall/cmd/internal/cli"
	"github.com/tierwall/tierwall/controllers/agent"
	"github.com/tierwall/tierwall/dataplane"
)

func main() {
	os.Exit(cli.Execute(ctrl.SetupSignalHandler(), program(), os.Args[1:], os.Stderr))
}

// options are the agent's flags.
type options struct {
	nodeName, metricsAddress, healthAddress string
}

func program() cli.Program {
	var o options
	return cli.Program{
		Name:  "tierwall-agent",
		Short: "Enforce the cluster's policies for the pods of this node",
		Flags: o.bind,
		Run:   o.run,
	}
}

func (o *options) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.nodeName, "node-name", os.Getenv("NODE_NAME"), "name of this node in the cluster; taken from the environment variable NODE_NAME if it is set")
	cmd.Flags().StringVar(&o.metricsAddress, "metrics-bind-address", ":9810", "address to serve /metrics on; 0 for nowhere")
	cmd.Flags().StringVar(&o.healthAddress, "health-probe-bind-address", "127.0.0.1:9811", "address to serve /healthz and /readyz on; 0 for nowhere")
}

func (o *options) run(ctx context.Context, log logr.Logger) (err error) {
	if o.nodeName == "" {
		return errors.New("the node's name is not known: set --node-name, or NODE_NAME to the pod's spec.nodeName")
	}
	config, err := cli.RESTConfig()
	if err != nil {
		return err
	}
	kernel, err := dataplane.New(dataplane.Config{Logger: log.WithName("dataplane")})
	if err != nil {
		return fmt.Errorf("cannot use the kernel's nftables: %w", err)
	}
	defer func() { err = errors.Join(err, kernel.Close()) }()
	a, err := agent.New(agent.Config{
		REST:                   config,
		NodeName:               o.nodeName,
		Kernel:                 kernel,
		MetricsBindAddress:     o.metricsAddress,
		HealthProbeBindAddress: o.healthAddress,
		Registry:               metrics.Registry,
		Logger:                 log,
	})
	if err != nil {
		return err
	}
	return a.Start(ctx)
}
