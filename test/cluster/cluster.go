// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes cluster on one machine, without a
// container engine: etcd, API server, controller manager and scheduler, nodes
// with kubelet, containerd and kube-proxy, and cluster DNS, each in network
// namespaces of the cluster's own. See README.md for how it is put together.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/test/cluster/binaries"
	"github.com/tierwall/tierwall/test/cluster/internal/netlab"
	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

// ErrNotRunning is what Attach returns when no cluster of the name is up.
var ErrNotRunning = errors.New("not running")

// cleanupTimeout bounds a clean-up. After a failed start it takes the place of
// the context of the start, which may have ended.
const cleanupTimeout = time.Minute

// Cluster is a running cluster. Its methods may be called from several
// goroutines.
type Cluster struct {
	families []family
	progress func(format string, args ...any)
	rest     *rest.Config
	client   kubernetes.Interface

	// mu guards state, which hosts are added to.
	mu    sync.Mutex
	state state
}

// Start builds the binaries that are missing, removes what an earlier cluster
// of the same name left, running or not, and starts the cluster. It returns
// when every node is Ready and cluster DNS serves. When it fails it removes
// what it started, except for the log files. The cluster keeps running when
// this program ends, until Stop or Cleanup.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := Preflight(); err != nil {
		return nil, err
	}
	bin, err := binaries.Build(ctx, binaries.Config{Progress: cfg.Progress})
	if err != nil {
		return nil, err
	}
	archives, err := buildImages(ctx, bin, cfg.Progress)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(cfg.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if err := removeAll(ctx, cfg.Name); err != nil {
		return nil, err
	}
	c := &Cluster{
		families: cfg.IPFamily.plan(),
		progress: stopwatch(cfg.Progress),
		state:    state{Config: cfg, Binaries: bin, Containerds: map[string]int{}},
	}
	if err := c.start(ctx, archives); err != nil {
		return nil, c.abandon(err)
	}
	return c, nil
}

// start is the sequence of a start; what does not depend on each other runs at
// the same time.
func (c *Cluster) start(ctx context.Context, archives []string) error {
	c.progress("network: switch, control plane and %d nodes", c.state.Config.Nodes)
	if err := c.createNetwork(); err != nil {
		return err
	}
	keys, err := c.createKeys()
	if err != nil {
		return err
	}
	steps, stepsCtx := errgroup.WithContext(ctx)
	steps.Go(func() error { return c.startControlPlane(stepsCtx, keys) })
	for node := 1; node <= c.state.Config.Nodes; node++ {
		steps.Go(func() error { return c.startRuntime(stepsCtx, node, archives) })
	}
	if err := steps.Wait(); err != nil {
		return err
	}
	steps, stepsCtx = errgroup.WithContext(ctx)
	for node := 1; node <= c.state.Config.Nodes; node++ {
		steps.Go(func() error { return c.startNode(stepsCtx, node, keys) })
	}
	steps.Go(func() error { return c.deployDNS(stepsCtx) })
	if err := steps.Wait(); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	return c.save()
}

// abandon removes what a failed start left and keeps its logs.
func (c *Cluster) abandon(cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	name := c.state.Config.Name
	err := fmt.Errorf("start cluster %s: %w\nlog files are in %s", name, cause, c.path(logsDir))
	return errors.Join(err, removeAll(ctx, name, logsDir))
}

// Attach finds a cluster that was started by this or another program. The
// error is ErrNotRunning when there is none.
func Attach(name string) (*Cluster, error) {
	if err := validateName(name); err != nil {
		return nil, err
	}
	s, err := load(name)
	if err != nil {
		return nil, err
	}
	pids, err := controlGroup(name).Processes()
	if err != nil {
		return nil, err
	}
	// After a reboot the state is there and the cluster is not.
	if len(pids) == 0 {
		return nil, fmt.Errorf("cluster %s: %w", name, ErrNotRunning)
	}
	c := &Cluster{families: s.Config.IPFamily.plan(), progress: func(string, ...any) {}, state: s}
	if err := c.connect(); err != nil {
		return nil, err
	}
	return c, nil
}

// Stop removes the cluster; its methods fail from then on.
func (c *Cluster) Stop(ctx context.Context) error {
	return Cleanup(ctx, c.state.Config.Name)
}

// Cleanup removes a cluster and all that belongs to it: processes, mounts,
// network namespaces, control groups and files, whether the cluster runs, or
// its start failed or was killed half-way. Nothing to remove is not an error;
// processes that do not end within a minute are.
func Cleanup(ctx context.Context, name string) error {
	if err := validateName(name); err != nil {
		return err
	}
	unlock, err := lock(name)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := removeAll(ctx, name); err != nil {
		return err
	}
	if err := os.Remove(stateDir(name)); err != nil {
		return fmt.Errorf("cluster %s: remove its directory: %w", name, err)
	}
	// Fails while there are other clusters, which need it.
	_ = os.Remove(stateRoot)
	return nil
}

func controlGroup(name string) process.Group { return process.NewGroup("tierwall-" + name) }

// removeRunning removes all that lives in the kernel. Mounts were made in the
// mount namespaces of the processes and go with them.
func removeRunning(ctx context.Context, name string) error {
	if err := controlGroup(name).Remove(ctx); err != nil {
		return err
	}
	return netlab.Delete(namespacePrefix(name))
}

// removeAll leaves nothing but the cluster's directory, which is locked, with
// what is to be kept there.
func removeAll(ctx context.Context, name string, keep ...string) error {
	if err := removeRunning(ctx, name); err != nil {
		return fmt.Errorf("clean up cluster %s: %w", name, err)
	}
	entries, err := os.ReadDir(stateDir(name))
	if err != nil {
		return fmt.Errorf("clean up cluster %s: %w", name, err)
	}
	for _, e := range entries {
		if slices.Contains(keep, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(stateDir(name), e.Name())); err != nil {
			return fmt.Errorf("clean up cluster %s: %w", name, err)
		}
	}
	return nil
}

// connect makes the clients from the kubeconfig.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("cluster %s: read kubeconfig: %w", c.state.Config.Name, err)
	}
	// The API server is on this machine; the default of 5 a second is for others.
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("cluster %s: make client: %w", c.state.Config.Name, err)
	}
	c.rest, c.client = config, client
	return nil
}

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.state.Config.Name }

// Kubeconfig is the path of a file that lets kubectl and clients on this
// machine use the cluster as an administrator.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// RESTConfig is for clients that use the cluster as an administrator. The
// caller owns the copy.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Binary is the path of one of the cluster's programs, such as "kubectl" or
// "agnhost".
func (c *Cluster) Binary(name string) string { return filepath.Join(c.state.Binaries, name) }

// Nodes lists the names of the nodes.
func (c *Cluster) Nodes() []string {
	names := make([]string, 0, c.state.Config.Nodes)
	for node := 1; node <= c.state.Config.Nodes; node++ {
		names = append(names, nodeName(node))
	}
	return names
}

// NodeNetns is the file of a node's network namespace.
func (c *Cluster) NodeNetns(node string) string { return c.namespace(node).Path() }

// InNode runs fn on a thread in a node's network namespace: sockets it opens
// and processes it starts belong to the node. Goroutines that fn starts do
// not run there.
func (c *Cluster) InNode(node string, fn func() error) error { return c.namespace(node).Do(fn) }

// ControlPlaneAddresses are those of the API server, on port 6443; one for
// each family, the first family first.
func (c *Cluster) ControlPlaneAddresses() []netip.Addr {
	addresses := make([]netip.Addr, 0, len(c.families))
	for _, f := range c.families {
		addresses = append(addresses, f.controlPlaneAddr())
	}
	return addresses
}

// stopwatch puts the seconds since now before each line.
func stopwatch(progress func(format string, args ...any)) func(format string, args ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		progress("%5.1fs %s", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
