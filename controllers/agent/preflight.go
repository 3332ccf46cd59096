// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// installationGrace is how long the agent waits for an installation that is
// under way: its CustomResourceDefinition and RBAC may come just after it.
const installationGrace = 10 * time.Second

// preflight waits until the API server answers, and fails with the remedy if
// Tierwall's own policies cannot be read, or with ctx's error when that ends.
func preflight(ctx context.Context, reader client.Reader, log logr.Logger) error {
	deadline := time.Now().Add(installationGrace)
	told := false
	return wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		err := reader.List(ctx, &v1alpha1.ClusterNetworkPolicyList{}, client.Limit(1))
		if err == nil {
			return true, nil
		}
		if fatal(err) && time.Now().After(deadline) {
			return false, explain(sourceTierwall, err)
		}
		if !told && ctx.Err() == nil {
			log.Info("Waiting for the API server to serve Tierwall's policies", "error", err.Error())
			told = true
		}
		return false, nil
	})
}

// fatal tells whether waiting does not help.
func fatal(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}
