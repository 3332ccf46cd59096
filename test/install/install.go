// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package install puts Tierwall onto a test cluster the way users do: its
// images, then `kubectl apply -k config/default`.
package install

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/tierwall/tierwall/test/cluster"
)

// rolloutTimeout bounds the start of each workload, in kubectl's notation.
const rolloutTimeout = "--timeout=2m"

// Config says where the parts are.
type Config struct {
	// Archives is the directory with agent.tar and manager.tar, which `make
	// images` writes. Required.
	Archives string
	// Manifests is the kustomization to apply: the repository's config/default.
	// Required.
	Manifests string
}

// Install returns when every node's agent enforces the policies there are, and
// the managers run. It may be repeated; new images of the same name do not
// restart what runs already.
func Install(ctx context.Context, c *cluster.Cluster, cfg Config) error {
	for _, archive := range []string{"agent.tar", "manager.tar"} {
		if err := c.LoadImage(ctx, filepath.Join(cfg.Archives, archive)); err != nil {
			return fmt.Errorf("install Tierwall: %w (`make images` writes the archives)", err)
		}
	}
	if _, err := c.Kubectl(ctx, "apply", "-k", cfg.Manifests); err != nil {
		return fmt.Errorf("install Tierwall: %w", err)
	}
	// An agent is ready when its node's table holds what the API server said.
	for _, workload := range []string{"daemonset/tierwall-agent", "deployment/tierwall-manager"} {
		if _, err := c.Kubectl(ctx, "--namespace=tierwall-system", "rollout", "status", rolloutTimeout, workload); err != nil {
			return fmt.Errorf("install Tierwall: %w", err)
		}
	}
	return nil
}
