// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// SpecOfUpstream writes an upstream policy in the words of our kind, which has
// the same fields and more.
func SpecOfUpstream(u *upstream.ClusterNetworkPolicySpec) *v1alpha1.ClusterNetworkPolicySpec {
	spec := &v1alpha1.ClusterNetworkPolicySpec{
		Tier: v1alpha1.Tier(u.Tier), Priority: u.Priority,
		Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: u.Subject.Namespaces, Pods: podsOfUpstream(u.Subject.Pods)},
	}
	for _, r := range u.Ingress {
		rule := v1alpha1.ClusterNetworkPolicyIngressRule{
			Name: r.Name, Action: v1alpha1.ClusterNetworkPolicyRuleAction(r.Action), Protocols: protocolsOfUpstream(r.Protocols),
		}
		for _, p := range r.From {
			rule.From = append(rule.From, v1alpha1.ClusterNetworkPolicyIngressPeer{Namespaces: p.Namespaces, Pods: podsOfUpstream(p.Pods)})
		}
		spec.Ingress = append(spec.Ingress, rule)
	}
	for _, r := range u.Egress {
		rule := v1alpha1.ClusterNetworkPolicyEgressRule{
			Name: r.Name, Action: v1alpha1.ClusterNetworkPolicyRuleAction(r.Action), Protocols: protocolsOfUpstream(r.Protocols),
		}
		for _, p := range r.To {
			rule.To = append(rule.To, egressPeerOfUpstream(p))
		}
		spec.Egress = append(spec.Egress, rule)
	}
	return spec
}

func podsOfUpstream(p *upstream.NamespacedPod) *v1alpha1.NamespacedPod {
	if p == nil {
		return nil
	}
	return &v1alpha1.NamespacedPod{NamespaceSelector: p.NamespaceSelector, PodSelector: p.PodSelector}
}

// egressPeerOfUpstream keeps apart lists that are absent and lists that are
// empty: an empty one is set.
func egressPeerOfUpstream(p upstream.ClusterNetworkPolicyEgressPeer) v1alpha1.ClusterNetworkPolicyEgressPeer {
	peer := v1alpha1.ClusterNetworkPolicyEgressPeer{Namespaces: p.Namespaces, Pods: podsOfUpstream(p.Pods), Nodes: p.Nodes}
	if p.Networks != nil {
		peer.Networks = []v1alpha1.CIDR{}
	}
	for _, cidr := range p.Networks {
		peer.Networks = append(peer.Networks, v1alpha1.CIDR(cidr))
	}
	if p.DomainNames != nil {
		peer.DomainNames = []v1alpha1.DomainName{}
	}
	for _, name := range p.DomainNames {
		peer.DomainNames = append(peer.DomainNames, v1alpha1.DomainName(name))
	}
	return peer
}

func protocolsOfUpstream(list []upstream.ClusterNetworkPolicyProtocol) []v1alpha1.ClusterNetworkPolicyProtocol {
	var protocols []v1alpha1.ClusterNetworkPolicyProtocol
	for _, p := range list {
		protocol := v1alpha1.ClusterNetworkPolicyProtocol{DestinationNamedPort: p.DestinationNamedPort}
		if p.TCP != nil {
			protocol.TCP = &v1alpha1.ClusterNetworkPolicyProtocolTCP{DestinationPort: portOfUpstream(p.TCP.DestinationPort)}
		}
		if p.UDP != nil {
			protocol.UDP = &v1alpha1.ClusterNetworkPolicyProtocolUDP{DestinationPort: portOfUpstream(p.UDP.DestinationPort)}
		}
		if p.SCTP != nil {
			protocol.SCTP = &v1alpha1.ClusterNetworkPolicyProtocolSCTP{DestinationPort: portOfUpstream(p.SCTP.DestinationPort)}
		}
		protocols = append(protocols, protocol)
	}
	return protocols
}

func portOfUpstream(p *upstream.Port) *v1alpha1.Port {
	if p == nil {
		return nil
	}
	port := &v1alpha1.Port{Number: p.Number}
	if p.Range != nil {
		port.Range = &v1alpha1.PortRange{Start: p.Range.Start, End: p.Range.End}
	}
	return port
}
