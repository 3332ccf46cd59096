// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// FromUpstream converts a policy.networking.k8s.io/v1alpha2
// ClusterNetworkPolicy. Its fields are a part of ours and mean the same, so it
// goes the way of [FromTierwall].
func FromUpstream(o *upstream.ClusterNetworkPolicy) *Policy {
	spec := &v1alpha1.ClusterNetworkPolicySpec{
		Tier:     v1alpha1.Tier(o.Spec.Tier),
		Priority: o.Spec.Priority,
		Subject: v1alpha1.ClusterNetworkPolicySubject{
			Namespaces: o.Spec.Subject.Namespaces, Pods: upstreamPods(o.Spec.Subject.Pods),
		},
	}
	for _, r := range o.Spec.Ingress {
		spec.Ingress = append(spec.Ingress, v1alpha1.ClusterNetworkPolicyIngressRule{
			Name: r.Name, Action: v1alpha1.ClusterNetworkPolicyRuleAction(r.Action),
			From: mapSlice(r.From, upstreamIngressPeer), Protocols: mapSlice(r.Protocols, upstreamProtocol),
		})
	}
	for _, r := range o.Spec.Egress {
		spec.Egress = append(spec.Egress, v1alpha1.ClusterNetworkPolicyEgressRule{
			Name: r.Name, Action: v1alpha1.ClusterNetworkPolicyRuleAction(r.Action),
			To: mapSlice(r.To, upstreamEgressPeer), Protocols: mapSlice(r.Protocols, upstreamProtocol),
		})
	}
	return fromSpec(PolicyKey{Kind: KindUpstream, Name: o.Name}, spec)
}

// mapSlice converts every element; nil stays nil and empty stays empty.
func mapSlice[From, To any](from []From, convert func(From) To) []To {
	if from == nil {
		return nil
	}
	to := make([]To, 0, len(from))
	for _, f := range from {
		to = append(to, convert(f))
	}
	return to
}

func upstreamPods(p *upstream.NamespacedPod) *v1alpha1.NamespacedPod {
	if p == nil {
		return nil
	}
	return &v1alpha1.NamespacedPod{NamespaceSelector: p.NamespaceSelector, PodSelector: p.PodSelector}
}

func upstreamIngressPeer(p upstream.ClusterNetworkPolicyIngressPeer) v1alpha1.ClusterNetworkPolicyIngressPeer {
	return v1alpha1.ClusterNetworkPolicyIngressPeer{Namespaces: p.Namespaces, Pods: upstreamPods(p.Pods)}
}

func upstreamEgressPeer(p upstream.ClusterNetworkPolicyEgressPeer) v1alpha1.ClusterNetworkPolicyEgressPeer {
	return v1alpha1.ClusterNetworkPolicyEgressPeer{
		Namespaces: p.Namespaces, Pods: upstreamPods(p.Pods), Nodes: p.Nodes,
		Networks:    mapSlice(p.Networks, func(c upstream.CIDR) v1alpha1.CIDR { return v1alpha1.CIDR(c) }),
		DomainNames: mapSlice(p.DomainNames, func(n upstream.DomainName) v1alpha1.DomainName { return v1alpha1.DomainName(n) }),
	}
}

func upstreamProtocol(p upstream.ClusterNetworkPolicyProtocol) v1alpha1.ClusterNetworkPolicyProtocol {
	converted := v1alpha1.ClusterNetworkPolicyProtocol{DestinationNamedPort: p.DestinationNamedPort}
	if p.TCP != nil {
		converted.TCP = &v1alpha1.ClusterNetworkPolicyProtocolTCP{DestinationPort: upstreamPort(p.TCP.DestinationPort)}
	}
	if p.UDP != nil {
		converted.UDP = &v1alpha1.ClusterNetworkPolicyProtocolUDP{DestinationPort: upstreamPort(p.UDP.DestinationPort)}
	}
	if p.SCTP != nil {
		converted.SCTP = &v1alpha1.ClusterNetworkPolicyProtocolSCTP{DestinationPort: upstreamPort(p.SCTP.DestinationPort)}
	}
	return converted
}

func upstreamPort(p *upstream.Port) *v1alpha1.Port {
	if p == nil {
		return nil
	}
	converted := &v1alpha1.Port{Number: p.Number}
	if p.Range != nil {
		converted.Range = &v1alpha1.PortRange{Start: p.Range.Start, End: p.Range.End}
	}
	return converted
}
