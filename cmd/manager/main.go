// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// The manager tells the authors of policies what Tierwall makes of them.
package main

import (
	"context"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tierwall/tierwall/cmd/internal/cli"
	"github.com/tierwall/tierwall/controllers/manager"
)

func main() {
	os.Exit(cli.Execute(ctrl.SetupSignalHandler(), program(), os.Args[1:], os.Stderr))
}

// options are the manager's flags.
type options struct {
	metricsAddress, healthAddress string
	leaderElect                   bool
}

func program() cli.Program {
	var o options
	return cli.Program{
		Name:  "tierwall-manager",
		Short: "Write the status of the cluster's policies",
		Flags: o.bind,
		Run:   o.run,
	}
}

func (o *options) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.metricsAddress, "metrics-bind-address", ":9812", "address to serve /metrics on; 0 for nowhere")
	cmd.Flags().StringVar(&o.healthAddress, "health-probe-bind-address", ":9813", "address to serve /healthz and /readyz on; 0 for nowhere")
	cmd.Flags().BoolVar(&o.leaderElect, "leader-elect", true, "let one of several managers do the work; needs to run in a pod")
}

func (o *options) run(ctx context.Context, log logr.Logger) error {
	config, err := cli.RESTConfig()
	if err != nil {
		return err
	}
	m, err := manager.New(manager.Config{
		REST:                   config,
		LeaderElection:         o.leaderElect,
		MetricsBindAddress:     o.metricsAddress,
		HealthProbeBindAddress: o.healthAddress,
		Logger:                 log,
	})
	if err != nil {
		return err
	}
	return m.Start(ctx)
}
