// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tierwall/tierwall/test/cluster/internal/machine"
	"github.com/tierwall/tierwall/test/cluster/internal/pki"
	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

// importTimeout bounds the import of one archive into one node.
const importTimeout = time.Minute

// registerNodes makes the Node objects before the kubelets do, so that every
// node has the pod networks of the address plan.
func (c *Cluster) registerNodes(ctx context.Context) error {
	for n := 1; n <= c.state.Config.Nodes; n++ {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(n)}}
		for _, f := range c.families {
			node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, f.podCIDR(n).String())
		}
		node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
		if _, err := c.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("register %s: %w", node.Name, err)
		}
	}
	return nil
}

// startRuntime boots a node with containerd alone and gives it the images.
func (c *Cluster) startRuntime(ctx context.Context, node int, archives []string) error {
	name := nodeName(node)
	if err := c.configureNetwork(node); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	config, err := c.renderNodeFile(name, "containerd.toml", map[string]string{
		"PauseImage": pauseImage, "CNIPlugins": cniPlugins, "CNIConfig": c.path(name, "cni"),
	})
	if err != nil {
		return err
	}
	directories := map[string]string{
		"/run": c.path(name, "run"), "/var/lib": c.path(name, "var-lib"), "/var/log": c.path(name, "var-log"),
	}
	for _, dir := range directories {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	boot := machine.Config{Hostname: name, Network: c.namespace(name), Directories: directories}
	runtime, err := c.startNodeProcess(name, []string{"containerd", "--config=" + config}, func(start func() error) error {
		return machine.Boot(boot, start)
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.state.Containerds[name] = runtime.PID()
	c.mu.Unlock()
	if err := c.waitRuntime(ctx, name, runtime); err != nil {
		return err
	}
	for _, archive := range archives {
		if err := c.importImage(ctx, name, archive); err != nil {
			return err
		}
	}
	c.progress("%s: containerd is ready and has %d image archives", name, len(archives))
	return nil
}

// configureNetwork writes what connects pods to the node, and the rules that
// let them out of the cluster.
func (c *Cluster) configureNetwork(node int) error {
	name := nodeName(node)
	var podCIDRs, everywhere []netip.Prefix
	var masqueraded []map[string]string
	for _, f := range c.families {
		podCIDRs, everywhere = append(podCIDRs, f.podCIDR(node)), append(everywhere, f.all)
		protocol := "ip"
		if f.nodes.Addr().Is6() {
			protocol = "ip6"
		}
		masqueraded = append(masqueraded, map[string]string{
			"Protocol": protocol, "Node": f.podCIDR(node).String(), "Pods": f.pods.String(), "Nodes": f.nodes.String(),
		})
	}
	conflist, err := render("cni.json", map[string]any{"CNI": string(c.state.Config.CNI), "PodCIDRs": podCIDRs, "Everywhere": everywhere})
	if err != nil {
		return err
	}
	if _, err := c.writeFile(conflist, name, "cni", "10-tierwall.conflist"); err != nil {
		return err
	}
	if c.state.Config.CNI == Bridge {
		if err := c.namespace(name).Sysctl(map[string]string{
			"bridge/bridge-nf-call-iptables": "1", "bridge/bridge-nf-call-ip6tables": "1",
		}); err != nil {
			return fmt.Errorf("%w (CNI bridge needs the kernel's br_netfilter: `modprobe br_netfilter`)", err)
		}
	}
	rules, err := render("masquerade.nft", masqueraded)
	if err != nil {
		return err
	}
	return c.loadRules(name, rules)
}

// loadRules gives nftables text to a namespace.
func (c *Cluster) loadRules(role string, rules []byte) error {
	return c.namespace(role).Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = bytes.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("load rules with nft: %w: %s", err, out)
		}
		return nil
	})
}

// startNode starts what makes a booted machine a node of the cluster.
func (c *Cluster) startNode(ctx context.Context, node int, keys *keys) error {
	name := nodeName(node)
	kubelet, err := c.kubeletCommand(node, keys)
	if err != nil {
		return err
	}
	proxyConfig, err := c.renderNodeFile(name, "kube-proxy.yaml", map[string]string{
		"Kubeconfig": keys.kubeProxy, "Pods": joined(c.families, func(f family) netip.Prefix { return f.pods }),
	})
	if err != nil {
		return err
	}
	var daemons []*process.Process
	for _, command := range [][]string{kubelet, {c.Binary("kube-proxy"), "--config=" + proxyConfig}} {
		daemon, err := c.startNodeProcess(name, command, func(start func() error) error {
			return machine.Enter(c.state.Containerds[name], start)
		})
		if err != nil {
			return err
		}
		daemons = append(daemons, daemon)
	}
	return c.waitNode(ctx, name, daemons)
}

func (c *Cluster) kubeletCommand(node int, keys *keys) ([]string, error) {
	name := nodeName(node)
	var addresses []netip.Addr
	for _, f := range c.families {
		addresses = append(addresses, f.nodeAddr(node))
	}
	identity := pki.Subject{
		CommonName: "system:node:" + name, Organizations: []string{"system:nodes"},
		DNSNames: []string{name}, Addresses: addresses,
	}
	kubeconfig, err := c.createKubeconfig(keys, "kubelet-"+name, identity)
	if err != nil {
		return nil, err
	}
	serving, err := c.issue(keys.signer, "kubelet-"+name, identity)
	if err != nil {
		return nil, err
	}
	// Pods with dnsPolicy Default have no servers to ask.
	resolvConf, err := c.writeFile(nil, name, "resolv.conf")
	if err != nil {
		return nil, err
	}
	pods := controlGroup(c.Name()).Child(name).Child("pods")
	if err := pods.Create(); err != nil {
		return nil, err
	}
	config, err := c.renderNodeFile(name, "kubelet.yaml", map[string]string{
		"DNS":        joined(c.families[:1], family.dnsService),
		"ResolvConf": resolvConf, "Cert": serving.cert, "Key": serving.key,
		"Authority": keys.authority, "CgroupRoot": pods.Path(),
	})
	if err != nil {
		return nil, err
	}
	return []string{
		c.Binary("kubelet"), "--config=" + config, "--kubeconfig=" + kubeconfig,
		"--node-ip=" + joined(c.families, func(f family) netip.Addr { return f.nodeAddr(node) }),
	}, nil
}

func (c *Cluster) renderNodeFile(node, asset string, values any) (string, error) {
	content, err := render(asset, values)
	if err != nil {
		return "", fmt.Errorf("%s: %w", node, err)
	}
	return c.writeFile(content, node, asset)
}

func (c *Cluster) startNodeProcess(node string, command []string, within func(func() error) error) (*process.Process, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node, err)
	}
	name := node + "-" + filepath.Base(path)
	return process.Start(process.Config{
		Name:    name,
		Command: append([]string{path}, command[1:]...),
		LogFile: c.path(logsDir, name+".log"),
		Group:   controlGroup(c.Name()).Child(node).Child("system"),
		Within:  within,
	})
}

func (c *Cluster) waitRuntime(ctx context.Context, node string, runtime *process.Process) error {
	return wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		if err := runtime.Failure(); err != nil {
			return false, err
		}
		_, err := c.ctr(ctx, node, "version")
		return err == nil, nil
	})
}
