// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package story is a small company on a test cluster: the namespaces of
// config/samples, pods on both nodes, a cloud's metadata service and a host
// outside. It tells who reaches whom, as measured with real connections, and
// what the samples say about it. The demo and the end-to-end tests share it.
package story

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/test/cluster"
)

// Config says where things are.
type Config struct {
	// Cluster is where the story happens: two nodes, both families.
	Cluster *cluster.Cluster
	// Repository is the directory that has config/, and Artifacts the one that
	// `make images` writes to.
	Repository, Artifacts string
	// Progress receives a line for each step.
	Progress func(format string, args ...any)
}

func (c Config) path(elements ...string) string {
	return filepath.Join(append([]string{c.Repository}, elements...)...)
}

// kubectl runs a command that a user could give, and shows it and its output.
func (c Config) kubectl(ctx context.Context, args ...string) error {
	c.Progress("$ kubectl %s", join(args))
	out, err := c.Cluster.Kubectl(ctx, args...)
	if out = strings.TrimSpace(out); out != "" {
		c.Progress("%s", out)
	}
	return err
}

// Install installs Tierwall as a user does, and waits until it works.
func Install(ctx context.Context, cfg Config) error {
	images, imagesCtx := errgroup.WithContext(ctx)
	for _, name := range []string{"agent", "manager"} {
		images.Go(func() error {
			return cfg.Cluster.LoadImage(imagesCtx, filepath.Join(cfg.Artifacts, name+".tar"))
		})
	}
	if err := images.Wait(); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"apply", "-k", cfg.path("config", "default")},
		{"-n", "tierwall-system", "rollout", "status", "--timeout=2m", "daemonset/tierwall-agent"},
		{"-n", "tierwall-system", "rollout", "status", "--timeout=2m", "deployment/tierwall-manager"},
	} {
		if err := cfg.kubectl(ctx, command...); err != nil {
			return fmt.Errorf("install Tierwall: %w", err)
		}
	}
	return nil
}

//go:embed manifests/workloads.yaml
var workloads []byte

// Story is what Deploy made.
type Story struct {
	cfg     Config
	client  kubernetes.Interface
	sources map[string]source
	targets map[string][]string
}

// Deploy makes namespaces, pods and hosts, and waits until all of them serve.
func Deploy(ctx context.Context, cfg Config) (*Story, error) {
	if err := cfg.Cluster.LoadImage(ctx, filepath.Join(cfg.Artifacts, "probe.tar")); err != nil {
		return nil, err
	}
	hosts, err := addHosts(cfg)
	if err != nil {
		return nil, err
	}
	if err := deployWorkloads(ctx, cfg); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(cfg.Cluster.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	s := &Story{cfg: cfg, client: client}
	s.sources = s.findSources(hosts)
	s.targets, err = s.findTargets(ctx, hosts)
	return s, err
}

func namespaces() []string { return []string{"shop", "pci", "dev", "monitoring"} }

func deployWorkloads(ctx context.Context, cfg Config) error {
	manifest, err := os.CreateTemp("", "workloads-*.yaml")
	if err != nil {
		return fmt.Errorf("write workloads: %w", err)
	}
	defer os.Remove(manifest.Name()) //nolint:errcheck // A temporary file.
	if _, err := manifest.Write(workloads); err != nil {
		return fmt.Errorf("write workloads: %w", err)
	}
	if err := manifest.Close(); err != nil {
		return fmt.Errorf("write workloads: %w", err)
	}
	if err := cfg.kubectl(ctx, "apply", "-f", cfg.path(samplePath("00-namespaces"))); err != nil {
		return err
	}
	for _, namespace := range namespaces() {
		// Without its service account a pod is refused.
		if _, err := cfg.Cluster.Kubectl(ctx, "-n", namespace, "wait", "--for=create", "--timeout=1m", "serviceaccount/default"); err != nil {
			return err
		}
	}
	cfg.Progress("pods: client, builder, web, legacy, payments, scraper, and a DNS cache on each node")
	if _, err := cfg.Cluster.Kubectl(ctx, "apply", "-f", manifest.Name()); err != nil {
		return err
	}
	return waitWorkloads(ctx, cfg)
}

func waitWorkloads(ctx context.Context, cfg Config) error {
	for _, namespace := range namespaces() {
		if _, err := cfg.Cluster.Kubectl(ctx, "-n", namespace, "wait", "--for=condition=Ready", "--timeout=2m", "pod", "--all"); err != nil {
			return err
		}
	}
	_, err := cfg.Cluster.Kubectl(ctx, "-n", "kube-system", "rollout", "status", "--timeout=2m", "daemonset/node-dns")
	return err
}

// addHosts makes the hosts outside of the cluster; each serves HTTP.
func addHosts(cfg Config) (map[string]*cluster.Host, error) {
	hosts := map[string]*cluster.Host{}
	for name, addresses := range map[string][]string{
		"metadata": {"169.254.169.254", "fd00:ec2::254"},
		"outside":  {"203.0.113.10", "2001:db8::10"},
	} {
		host := cluster.HostConfig{Name: name}
		for _, address := range addresses {
			host.Addresses = append(host.Addresses, netip.MustParseAddr(address))
		}
		cfg.Progress("host %s: %s", name, join(addresses))
		var err error
		if hosts[name], err = cfg.Cluster.AddHost(host); err != nil {
			return nil, err
		}
		if _, err := hosts[name].Start("http", cfg.Cluster.Binary("agnhost"), "netexec", "--http-port=80", "--udp-port=-1"); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

// Apply gives the commands of a step.
func (s *Story) Apply(ctx context.Context, step Step) error {
	commands := append(slices.Clone(step.Prepare), []string{"apply", "-f", s.cfg.path(step.Sample())})
	for _, command := range commands {
		if err := s.cfg.kubectl(ctx, command...); err != nil {
			return fmt.Errorf("step %s: %w", step.Name, err)
		}
	}
	return nil
}

// Accepted shows what the status of the ClusterNetworkPolicies says, and fails
// unless it says of each that it is enforced as it is written.
func (s *Story) Accepted(ctx context.Context) error {
	if err := s.cfg.kubectl(ctx, "wait", "--for=condition=Accepted", "--timeout=30s", "tcnp", "--all"); err != nil {
		return err
	}
	return s.cfg.kubectl(ctx, "get", "tcnp")
}
