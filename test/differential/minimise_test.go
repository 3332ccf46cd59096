// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/oracle"
)

func TestMinimiseLeavesWhatTheFailureNeeds(t *testing.T) {
	policy := func(rules ...v1alpha1.ClusterNetworkPolicyEgressRule) *v1alpha1.ClusterNetworkPolicy {
		return &v1alpha1.ClusterNetworkPolicy{Spec: v1alpha1.ClusterNetworkPolicySpec{Egress: rules}}
	}
	rule := func(networks ...v1alpha1.CIDR) v1alpha1.ClusterNetworkPolicyEgressRule {
		r := v1alpha1.ClusterNetworkPolicyEgressRule{Name: "first"}
		for _, n := range networks {
			r.To = append(r.To, v1alpha1.ClusterNetworkPolicyEgressPeer{Networks: []v1alpha1.CIDR{n}})
		}
		return r
	}
	isGuilty := func(p v1alpha1.ClusterNetworkPolicyEgressPeer) bool { return p.Networks[0] == "192.0.2.0/24" }
	failure := errors.New("the guilty peer is there")
	check := func(states []*oracle.Cluster) error {
		for _, c := range states {
			for _, p := range c.Tierwall {
				for _, r := range p.Spec.Egress {
					if slices.ContainsFunc(r.To, isGuilty) {
						return failure
					}
				}
			}
		}
		return nil
	}
	guilty := &oracle.Cluster{
		Namespaces: []*corev1.Namespace{{}}, Nodes: []*corev1.Node{{}, {}}, Pods: []*corev1.Pod{{}},
		Tierwall: []*v1alpha1.ClusterNetworkPolicy{
			policy(), policy(rule("10.0.0.0/8"), rule("10.0.0.0/8", "192.0.2.0/24", "10.1.0.0/16")),
		},
		Learned: map[string][]netip.Addr{"example.com": nil},
	}
	got, err := differential.Minimise([]*oracle.Cluster{{}, guilty, {}}, check)
	if !errors.Is(err, failure) {
		t.Errorf("failed with %v, want %v", err, failure)
	}
	want := []*oracle.Cluster{{
		Namespaces: []*corev1.Namespace{}, Nodes: []*corev1.Node{}, Pods: []*corev1.Pod{},
		Tierwall: []*v1alpha1.ClusterNetworkPolicy{policy(rule("192.0.2.0/24"))},
		Learned:  map[string][]netip.Addr{},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := differential.Minimise(nil, check); err != nil || len(got) > 0 {
		t.Errorf("nothing became %v, and failed with %v", got, err)
	}
}
