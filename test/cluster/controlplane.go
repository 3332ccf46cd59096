// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

const (
	apiPort  = "6443"
	etcdURL  = "http://127.0.0.1:2379"
	etcdPeer = "http://127.0.0.1:2380"
	// pollInterval is how often a step looks whether what it waits for is there.
	pollInterval = 100 * time.Millisecond
)

// apiAddress is where everything inside the cluster finds the API server.
func (c *Cluster) apiAddress() string {
	return net.JoinHostPort(c.families[0].controlPlaneAddr().String(), apiPort)
}

// startControlPlane returns when the API server is ready and the nodes are
// known to it.
func (c *Cluster) startControlPlane(ctx context.Context, keys *keys) error {
	if _, err := c.startControlProcess("etcd", c.etcdFlags()); err != nil {
		return err
	}
	api, err := c.startControlProcess("kube-apiserver", c.apiServerFlags(keys))
	if err != nil {
		return err
	}
	if err := c.startForwarder(keys); err != nil {
		return err
	}
	if err := c.waitAPI(ctx, api); err != nil {
		return err
	}
	c.progress("control plane: API server is ready")
	if _, err := c.startControlProcess("kube-controller-manager", c.controllerManagerFlags(keys)); err != nil {
		return err
	}
	if _, err := c.startControlProcess("kube-scheduler", c.schedulerFlags(keys)); err != nil {
		return err
	}
	return c.registerNodes(ctx)
}

func (c *Cluster) startControlProcess(name string, flags []string, files ...*os.File) (*process.Process, error) {
	return process.Start(process.Config{
		Name:    name,
		Command: append([]string{c.Binary(name)}, flags...),
		LogFile: c.path(logsDir, name+".log"),
		Group:   controlGroup(c.Name()).Child(controlPlane),
		Within:  c.namespace(controlPlane).Do,
		Files:   files,
	})
}

func (c *Cluster) etcdFlags() []string {
	return []string{
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + etcdPeer, "--initial-advertise-peer-urls=" + etcdPeer,
		"--initial-cluster=default=" + etcdPeer,
		// Nothing here has to survive a power failure.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (c *Cluster) apiServerFlags(keys *keys) []string {
	return []string{
		"--advertise-address=" + c.families[0].controlPlaneAddr().String(),
		"--secure-port=" + apiPort,
		"--etcd-servers=" + etcdURL,
		"--service-cluster-ip-range=" + joined(c.families, func(f family) netip.Prefix { return f.services }),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--client-ca-file=" + keys.authority,
		"--tls-cert-file=" + keys.apiServer.cert, "--tls-private-key-file=" + keys.apiServer.key,
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + keys.authority,
		"--kubelet-client-certificate=" + keys.kubeletClient.cert, "--kubelet-client-key=" + keys.kubeletClient.key,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keys.serviceAccount,
		"--service-account-signing-key-file=" + keys.serviceAccount,
		// The control plane has no kube-proxy: it reaches the webhooks' pods
		// themselves instead of their ClusterIP.
		"--enable-aggregator-routing",
	}
}

func (c *Cluster) controllerManagerFlags(keys *keys) []string {
	return []string{
		"--kubeconfig=" + keys.controllerManager,
		"--service-account-private-key-file=" + keys.serviceAccount,
		"--root-ca-file=" + keys.authority,
		"--cluster-signing-cert-file=" + keys.authority, "--cluster-signing-key-file=" + keys.authorityKey,
		"--use-service-account-credentials",
		// The nodes' pod networks are those of the address plan.
		"--allocate-node-cidrs=false",
		"--leader-elect=false",
		// The defaults make the start of all controllers wait for seconds.
		"--kube-api-qps=200", "--kube-api-burst=400",
		// Not used by anyone, and its default directory is outside the cluster's.
		"--flex-volume-plugin-dir=" + c.path(controlPlane, "volume-plugins"),
	}
}

func (c *Cluster) schedulerFlags(keys *keys) []string {
	return []string{"--kubeconfig=" + keys.scheduler, "--leader-elect=false"}
}

// startForwarder makes the API server reachable from outside the cluster's
// namespaces, at a free port of the loopback interface, and writes the
// kubeconfig that says which.
func (c *Cluster) startForwarder(keys *keys) error {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("listen for clients of the API server: %w", err)
	}
	defer listener.Close() //nolint:errcheck // The forwarder holds its own copy.
	file, err := listener.File()
	if err != nil {
		return fmt.Errorf("hand the API server's port to the forwarder: %w", err)
	}
	defer file.Close() //nolint:errcheck // The forwarder holds its own copy.
	if _, err := c.startControlProcess("forward", []string{c.apiAddress()}, file); err != nil {
		return err
	}
	if err := keys.writeKubeconfig(c.Kubeconfig(), "https://"+listener.Addr().String(), keys.admin); err != nil {
		return err
	}
	return c.connect()
}

func (c *Cluster) waitAPI(ctx context.Context, api *process.Process) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		if err := api.Failure(); err != nil {
			return false, err
		}
		last = c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the API server: %w (last answer: %w)", err, last)
	}
	return nil
}

func (c *Cluster) writeFile(content []byte, elements ...string) (string, error) {
	file := c.path(elements...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	return file, nil
}
