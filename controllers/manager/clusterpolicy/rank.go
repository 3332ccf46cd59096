// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/ruleset"
)

// rank is the place of a policy in the order of evaluation: policies of equal
// rank are in conflict.
type rank struct {
	tier     string
	priority int32
}

// rankOf returns the rank of a ClusterNetworkPolicy of either kind.
func rankOf(o client.Object) rank {
	switch p := o.(type) {
	case *v1alpha1.ClusterNetworkPolicy:
		return rank{string(p.Spec.Tier), p.Spec.Priority}
	case *npav1alpha2.ClusterNetworkPolicy:
		return rank{string(p.Spec.Tier), p.Spec.Priority}
	default:
		return rank{}
	}
}

// member is a policy of a rank.
type member struct {
	// object comes from the cache and must not be changed.
	object     client.Object
	apiVersion string
	policy     *ruleset.Policy
	conditions []metav1.Condition
}

// members returns the policies of a rank, of both kinds.
func members(ctx context.Context, reader client.Reader, r rank) ([]member, error) {
	var own v1alpha1.ClusterNetworkPolicyList
	if err := listWatched(ctx, reader, &own); err != nil {
		return nil, err
	}
	var upstream npav1alpha2.ClusterNetworkPolicyList
	if err := listWatched(ctx, reader, &upstream); err != nil {
		return nil, err
	}
	var found []member
	for i := range own.Items {
		if p := &own.Items[i]; rankOf(p) == r {
			found = append(found, member{p, v1alpha1.GroupVersion.String(), ruleset.FromTierwall(p), p.Status.Conditions})
		}
	}
	for i := range upstream.Items {
		if p := &upstream.Items[i]; rankOf(p) == r {
			found = append(found, member{p, npav1alpha2.GroupVersion.String(), ruleset.FromUpstream(p), p.Status.Conditions})
		}
	}
	return found, nil
}

// listWatched lists a kind from the cache, without copying: what it returns must
// not be changed. A kind that is not watched has no objects.
func listWatched(ctx context.Context, reader client.Reader, list client.ObjectList) error {
	err := reader.List(ctx, list, client.UnsafeDisableDeepCopy)
	if missing := (*cache.ErrResourceNotCached)(nil); errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing %T: %w", list, err)
	}
	return nil
}
