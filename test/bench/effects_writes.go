// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// companions is the number of the first late pod that is there before another one.
const companions = 1_000

// effects are the writes that are measured. The three policies close what
// nothing has decided about; the address opens what a NetworkPolicy closes.
func (w *world) effects() []effect {
	source := func(int) netip.Addr { return fakecluster.Address(1) }
	nothing := func(context.Context, int) error { return nil }
	created := func(name string, policy func(int) client.Object) effect {
		return effect{name: name, prepare: nothing, write: w.create(policy), undo: w.remove(policy), source: source}
	}
	return []effect{
		created("NetworkPolicy created", isolating),
		created("upstream ClusterNetworkPolicy created", denyingUpstream),
		created("Tierwall ClusterNetworkPolicy created", denying),
		{
			name: "pod's address set, first with its labels", prepare: inTurn(w.create(isolating), w.create(latePod)), write: w.setAddress, undo: inTurn(w.remove(latePod), w.remove(isolating)),
			source: lateAddress, allowed: true,
		},
		{
			name: "pod's address set, as of others", prepare: inTurn(w.create(isolating), companion(w.create(latePod)), companion(w.setAddress), w.create(latePod)), write: w.setAddress,
			undo: inTurn(w.remove(latePod), companion(w.remove(latePod)), w.remove(isolating)), source: lateAddress, allowed: true,
		},
	}
}

// peerLabels are those of the pods that the policies speak of.
func peerLabels() map[string]string { return map[string]string{"effect": "late"} }

// isolating is a NetworkPolicy that selects the target and lets only late pods
// reach it.
func isolating(i int) client.Object {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakecluster.NamespaceName(0), Name: fmt.Sprintf("effect-%d", i)},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &metav1.LabelSelector{MatchLabels: peerLabels()},
			}}}},
		},
	}
}

// deniedApp is the label of the pod that the prober claims to be.
func deniedApp() metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"app": "app-1"}}
}

func denyingUpstream(i int) client.Object {
	return &npav1alpha2.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("effect-%d", i)},
		Spec: npav1alpha2.ClusterNetworkPolicySpec{
			Tier: npav1alpha2.AdminTier, Subject: npav1alpha2.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
			Ingress: []npav1alpha2.ClusterNetworkPolicyIngressRule{{
				Action: npav1alpha2.ClusterNetworkPolicyRuleActionDeny,
				From:   []npav1alpha2.ClusterNetworkPolicyIngressPeer{{Pods: &npav1alpha2.NamespacedPod{PodSelector: deniedApp()}}},
			}},
		},
	}
}

func denying(i int) client.Object {
	return &v1alpha1.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("effect-%d", i)},
		Spec: v1alpha1.ClusterNetworkPolicySpec{
			Tier: v1alpha1.AdminTier, Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
			Ingress: []v1alpha1.ClusterNetworkPolicyIngressRule{{
				Action: v1alpha1.ClusterNetworkPolicyRuleActionDeny,
				From:   []v1alpha1.ClusterNetworkPolicyIngressPeer{{Pods: &v1alpha1.NamespacedPod{PodSelector: deniedApp()}}},
			}},
		},
	}
}

// latePod has no address yet. It has the labels of an application, too.
func latePod(i int) client.Object {
	labels := peerLabels()
	labels["app"] = "app-2"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakecluster.NamespaceName(0), Name: fmt.Sprintf("effect-%d", i), Labels: labels},
		Spec:       corev1.PodSpec{NodeName: fakecluster.NodeName(1), Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
}

// companion does a step with another late pod, which is there all the time.
func companion(step func(context.Context, int) error) func(context.Context, int) error {
	return func(ctx context.Context, i int) error { return step(ctx, companions+i) }
}

func lateAddress(i int) netip.Addr { return fakecluster.Address(1<<21 + i) }

// setAddress does what a kubelet does when a pod's sandbox is ready.
func (w *world) setAddress(ctx context.Context, i int) error {
	patch := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%[1]q,"podIPs":[{"ip":%[1]q}]}}`, lateAddress(i))
	return w.cluster.Client.Status().Patch(ctx, latePod(i), client.RawPatch("application/strategic-merge-patch+json", []byte(patch)))
}
