// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package networkpolicy

import (
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/kube"
)

// TestReconcile gives the controller what no API server of today lets through,
// but one of tomorrow may.
func TestReconcile(t *testing.T) {
	for name, tt := range map[string]struct {
		peer networkingv1.NetworkPolicyPeer
		want []string
	}{
		"understood": {peer: networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}},
		"unknown kind of peer": {
			want: []string{"Warning", v1alpha1.ReasonInvalidField, "spec.ingress[0].from[0]"},
		},
		"no CIDR": {
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/33"}},
			want: []string{"Warning", v1alpha1.ReasonInvalidField, "spec.ingress[0].from[0].ipBlock.cidr"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"},
				Spec: networkingv1.NetworkPolicySpec{
					Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{tt.peer}}},
				},
			}
			got := eventOf(t, policy)
			if len(tt.want) == 0 && got != "" {
				t.Errorf("unexpected event %q", got)
			}
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("event %q does not have %q", got, part)
				}
			}
		})
	}
}

func TestReconcileOfADeletedPolicy(t *testing.T) {
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{client: fake.NewClientBuilder().WithScheme(scheme).Build()}
	request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "gone"}}
	if _, err := r.Reconcile(t.Context(), request); err != nil {
		t.Error(err)
	}
}

// eventOf returns the event that a policy gets, or "".
func eventOf(t *testing.T, policy *networkingv1.NetworkPolicy) string {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	recorder := events.NewFakeRecorder(1)
	r := &reconciler{client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(policy).Build(), recorder: recorder}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(policy)}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-recorder.Events:
		return e
	default:
		return ""
	}
}
