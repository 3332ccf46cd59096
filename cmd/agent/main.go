// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// The agent enforces the cluster's policies for the pods of one node.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tierwall/tierwall/cmd/internal/cli"
	"github.com/tierwall/tierwall/controllers/agent"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/dns"
)

func main() {
	os.Exit(cli.Execute(ctrl.SetupSignalHandler(), program(), os.Args[1:], os.Stderr))
}

// gcPercent is how much garbage there may be, in per cent of what is in use,
// before it is collected. Less than Go's 100: an agent is on every node, and
// makes little garbage, most of it at its start.
const gcPercent = 50

// options are the agent's flags.
type options struct {
	nodeName, metricsAddress, healthAddress string

	dnsStateFile                         string
	dnsHoldTimeout, dnsMinTTL, dnsMaxTTL time.Duration
	dnsServerNamespaces                  []string
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
	cmd.Flags().StringVar(&o.dnsStateFile, "dns-state-file", "/run/tierwall/domain-names", "file that keeps the addresses learned for domain names while the agent restarts")
	cmd.Flags().DurationVar(&o.dnsHoldTimeout, "dns-hold-timeout", dns.DefaultHoldTimeout, "how long a DNS answer waits until its addresses are enforced, before it is dropped")
	cmd.Flags().DurationVar(&o.dnsMinTTL, "dns-min-ttl", dns.DefaultMinTTL, "least time that an address learned for a domain name stays open")
	cmd.Flags().DurationVar(&o.dnsMaxTTL, "dns-max-ttl", dns.DefaultMaxTTL, "greatest time that an address learned for a domain name stays open without a connection to it; pods are told no longer TTL")
	cmd.Flags().StringSliceVar(&o.dnsServerNamespaces, "dns-server-namespaces", []string{"kube-system"}, "namespaces whose pods are believed as DNS servers; answers of other pods open no address")
}

func (o *options) run(ctx context.Context, log logr.Logger) (err error) {
	debug.SetGCPercent(gcPercent)
	if o.nodeName == "" {
		return errors.New("the node's name is not known: set --node-name, or NODE_NAME to the pod's spec.nodeName")
	}
	config, err := cli.RESTConfig()
	if err != nil {
		return err
	}
	domains := agent.NewDomains(o.dnsServerNamespaces)
	proxy, err := dns.New(ctx, dns.Config{
		Policy:      domains,
		StateFile:   o.dnsStateFile,
		HoldTimeout: o.dnsHoldTimeout, MinTTL: o.dnsMinTTL, MaxTTL: o.dnsMaxTTL,
		Registry: metrics.Registry,
		Logger:   log.WithName("dns"),
	})
	if err != nil {
		return fmt.Errorf("cannot start the DNS proxy: %w", err)
	}
	kernel, err := dataplane.New(dataplane.Config{DNSProxy: proxy.Addresses(), Logger: log.WithName("dataplane")})
	if err != nil {
		return fmt.Errorf("cannot use the kernel's nftables: %w", err)
	}
	defer func() { err = errors.Join(err, kernel.Close()) }()
	a, err := agent.New(agent.Config{
		REST:                   config,
		NodeName:               o.nodeName,
		Kernel:                 kernel,
		Domains:                domains,
		Proxy:                  proxy,
		Pod:                    types.NamespacedName{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("POD_NAME")},
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
