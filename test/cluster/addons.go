// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

func (c *Cluster) deployDNS(ctx context.Context) error {
	policy := corev1.IPFamilyPolicySingleStack
	if len(c.families) > 1 {
		policy = corev1.IPFamilyPolicyRequireDualStack
	}
	manifest, err := render("coredns.yaml", map[string]any{
		"Image": corednsImage, "Upstreams": c.state.Config.DNSUpstreams,
		"Address": c.families[0].dnsService(), "Addresses": joined(c.families, family.dnsService),
		"FamilyPolicy": string(policy),
	})
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, manifest, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("deploy cluster DNS: %w", err)
	}
	return nil
}

// Kubectl runs kubectl as an administrator and returns its standard output.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, nil, args...)
}

func (c *Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Binary("kubectl"), append([]string{"--kubeconfig=" + c.Kubeconfig()}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %v: %w: %s", args, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

func (c *Cluster) waitNode(ctx context.Context, name string, daemons []*process.Process) error {
	var last string
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		for _, daemon := range daemons {
			if err := daemon.Failure(); err != nil {
				return false, err
			}
		}
		node, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("get node %s: %w", name, err)
		}
		last = "the kubelet has not reported yet"
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				last = condition.Message
				return condition.Status == corev1.ConditionTrue, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s to be Ready: %w (last state: %s)", name, err, last)
	}
	c.progress("%s: Ready", name)
	return nil
}

// waitReady waits for what pods of any namespace need to start and to find
// each other.
func (c *Cluster) waitReady(ctx context.Context) error {
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		dns, err := c.client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
		if err != nil || dns.Status.AvailableReplicas == 0 {
			return false, err
		}
		_, err = c.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("wait for cluster DNS: %w", err)
	}
	c.progress("cluster DNS: ready")
	return nil
}
