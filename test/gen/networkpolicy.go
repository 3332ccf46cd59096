// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

func networkPolicy(t *rapid.T) *networkingv1.NetworkPolicy {
	o := &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pick(t, "namespace", namespaceNames()...), Name: pick(t, "name", policyNames()...),
		},
	}
	o.Spec.PodSelector = selector(t)
	o.Spec.PolicyTypes = pick(t, "policyTypes", nil, []networkingv1.PolicyType{},
		[]networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		[]networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		[]networkingv1.PolicyType{"Forward", networkingv1.PolicyTypeEgress})
	o.Spec.Ingress = listOf(t, "ingress", 0, 3, func(t *rapid.T) networkingv1.NetworkPolicyIngressRule {
		return networkingv1.NetworkPolicyIngressRule{From: networkPolicyPeers(t), Ports: networkPolicyPorts(t)}
	})
	o.Spec.Egress = listOf(t, "egress", 0, 3, func(t *rapid.T) networkingv1.NetworkPolicyEgressRule {
		return networkingv1.NetworkPolicyEgressRule{To: networkPolicyPeers(t), Ports: networkPolicyPorts(t)}
	})
	return o
}

func networkPolicyPeers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	return listOf(t, "peers", 0, pick(t, "most", 1, 3), networkPolicyPeer)
}

func networkPolicyPeer(t *rapid.T) networkingv1.NetworkPolicyPeer {
	var p networkingv1.NetworkPolicyPeer
	kind := pick(t, "peer", "podSelector", "namespaceSelector", "podSelector, namespaceSelector", "ipBlock", "ipBlock")
	if chance(t, unknown, "unknown peer") {
		kind = pick(t, "unknown peer", "none", "ipBlock, podSelector", "ipBlock, namespaceSelector")
	}
	switch kind {
	case "podSelector", "podSelector, namespaceSelector", "ipBlock, podSelector":
		p.PodSelector = selectorPointer(t)
	}
	switch kind {
	case "namespaceSelector", "podSelector, namespaceSelector", "ipBlock, namespaceSelector":
		p.NamespaceSelector = selectorPointer(t)
	}
	switch kind {
	case "ipBlock", "ipBlock, podSelector", "ipBlock, namespaceSelector":
		outer, except := ipBlock(t)
		p.IPBlock = &networkingv1.IPBlock{CIDR: outer, Except: except}
	}
	return p
}

func networkPolicyPorts(t *rapid.T) []networkingv1.NetworkPolicyPort {
	return listOf(t, "ports", 0, pick(t, "most", 0, 1, 3), networkPolicyPort)
}

func networkPolicyPort(t *rapid.T) networkingv1.NetworkPolicyPort {
	var p networkingv1.NetworkPolicyPort
	protocol := pick(t, "protocol", "absent", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
	if chance(t, unknown, "unknown protocol") {
		protocol = pick[corev1.Protocol](t, "protocol", "", "ICMP", "tcp")
	}
	if protocol != "absent" {
		p.Protocol = &protocol
	}
	kind := pick(t, "port", "absent", "number", "range", "name")
	if chance(t, 2, "not valid") {
		kind = "not valid"
	}
	setNetworkPolicyPort(t, &p, kind)
	return p
}

func setNetworkPolicyPort(t *rapid.T, p *networkingv1.NetworkPolicyPort, kind string) {
	first, last := portRange(t)
	number, name := intstr.FromInt32(first), intstr.FromString(pick(t, "named port", append(portNames(), "nobody-has-it")...))
	switch kind {
	case "number":
		p.Port = &number
	case "range":
		p.Port, p.EndPort = &number, &last
	case "name":
		p.Port = &name
	case "not valid":
		zero, none := intstr.FromInt32(0), intstr.FromString("")
		p.Port = pick(t, "not a port", nil, &zero, &name, &none)
		p.EndPort = &last
		if chance(t, 30, "backwards") {
			second, first := intstr.FromInt32(82), int32(80)
			p.Port, p.EndPort = &second, &first
		}
	}
}
