// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	netutils "k8s.io/utils/net"
)

// networkPolicyTier evaluates the NetworkPolicies. "v1.NetworkPolicy always
// makes a final decision for selected pods."
func (q *query) networkPolicyTier() (Verdict, bool) {
	var isolating []*networkingv1.NetworkPolicy
	for _, np := range q.cluster.NetworkPolicies {
		if np.Namespace == q.subject.Namespace && affects(np, q.direction) && validSelector(&np.Spec.PodSelector) && matches(&np.Spec.PodSelector, q.subject.Labels) {
			isolating = append(isolating, np)
		}
	}
	if len(isolating) == 0 {
		return Verdict{}, false
	}
	slices.SortFunc(isolating, func(a, b *networkingv1.NetworkPolicy) int { return cmp.Compare(a.Name, b.Name) })
	for _, np := range isolating {
		if rule, ok := q.firstAccepting(np); ok {
			return Verdict{Allowed: true, Kind: KindNetworkPolicy, Namespace: np.Namespace, Name: np.Name, Direction: q.direction, Rule: rule}, true
		}
	}
	first := isolating[0]
	return Verdict{Kind: KindNetworkPolicy, Namespace: first.Namespace, Name: first.Name, Direction: q.direction, Rule: DefaultDeny}, true
}

// affects reads policyTypes: "policies that contain an egress section are
// assumed to affect egress, and all policies (whether or not they contain an
// ingress section) are assumed to affect ingress."
func affects(np *networkingv1.NetworkPolicy, d Direction) bool {
	if len(np.Spec.PolicyTypes) > 0 {
		return slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyType(d))
	}
	return d == Ingress || len(np.Spec.Egress) > 0
}

// firstAccepting returns the first rule of the policy that matches the packet.
func (q *query) firstAccepting(np *networkingv1.NetworkPolicy) (int, bool) {
	if q.direction == Ingress {
		for i, rule := range np.Spec.Ingress {
			if q.networkPolicyRule(np, rule.From, rule.Ports) {
				return i, true
			}
		}
		return 0, false
	}
	for i, rule := range np.Spec.Egress {
		if q.networkPolicyRule(np, rule.To, rule.Ports) {
			return i, true
		}
	}
	return 0, false
}

// networkPolicyRule reports whether a rule matches: "The traffic must match both
// ports and from." A rule with anything in it that is not understood matches
// nothing.
func (q *query) networkPolicyRule(np *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) bool {
	invalidPeer := func(p networkingv1.NetworkPolicyPeer) bool { return !validNetworkPolicyPeer(p) }
	invalidPort := func(p networkingv1.NetworkPolicyPort) bool { return !validNetworkPolicyPort(p) }
	if slices.ContainsFunc(peers, invalidPeer) || slices.ContainsFunc(ports, invalidPort) {
		return false
	}
	matchesPeer := func(p networkingv1.NetworkPolicyPeer) bool { return q.networkPolicyPeer(np, p) }
	return (len(peers) == 0 || slices.ContainsFunc(peers, matchesPeer)) &&
		(len(ports) == 0 || slices.ContainsFunc(ports, q.networkPolicyPort))
}

// networkPolicyPeer reports whether the other end is one that a peer speaks of.
func (q *query) networkPolicyPeer(np *networkingv1.NetworkPolicy, p networkingv1.NetworkPolicyPeer) bool {
	if p.IPBlock != nil {
		inExcept := func(cidr string) bool { return inBlock(q.peer(), cidr) }
		return inBlock(q.peer(), p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, inExcept)
	}
	pod := q.other
	if pod == nil {
		return false
	}
	if p.NamespaceSelector == nil && pod.Namespace != np.Namespace {
		return false
	}
	if p.NamespaceSelector != nil && !matches(p.NamespaceSelector, q.cluster.namespaceLabels(pod.Namespace)) {
		return false
	}
	return p.PodSelector == nil || matches(p.PodSelector, pod.Labels)
}

// networkPolicyPort reports whether the packet goes to a port that p speaks of.
func (q *query) networkPolicyPort(p networkingv1.NetworkPolicyPort) bool {
	switch {
	case !protocolIs(p.Protocol, q.packet.Protocol):
		return false
	case p.Port == nil:
		return true
	case p.Port.Type == intstr.String:
		return q.namedPort(p.Port.StrVal)
	case p.EndPort == nil:
		return p.Port.IntVal == int32(q.packet.Port)
	default:
		return p.Port.IntVal <= int32(q.packet.Port) && int32(q.packet.Port) <= *p.EndPort
	}
}

// validNetworkPolicyPeer: "Only certain combinations of fields are allowed."
func validNetworkPolicyPeer(p networkingv1.NetworkPolicyPeer) bool {
	if p.IPBlock == nil {
		return (p.PodSelector != nil || p.NamespaceSelector != nil) && validSelector(p.PodSelector) && validSelector(p.NamespaceSelector)
	}
	if p.PodSelector != nil || p.NamespaceSelector != nil || !validBlock(p.IPBlock.CIDR) {
		return false
	}
	return !slices.ContainsFunc(p.IPBlock.Except, func(cidr string) bool { return !validBlock(cidr) })
}

// validBlock reports whether the API server takes a text for a block of
// addresses; for NetworkPolicy it always took leading zeros.
func validBlock(cidr string) bool {
	_, _, err := netutils.ParseCIDRSloppy(cidr)
	return err == nil && !strings.HasPrefix(cidr, "::ffff:")
}

// inBlock reports whether an address lies in a valid block.
func inBlock(address netip.Addr, cidr string) bool {
	_, block, err := netutils.ParseCIDRSloppy(cidr)
	return err == nil && block.Contains(address.AsSlice())
}

// validNetworkPolicyPort: "This field cannot be defined if the port field is not
// defined or if the port field is defined as a named (string) port. The endPort
// must be equal or greater than port."
func validNetworkPolicyPort(p networkingv1.NetworkPolicyPort) bool {
	if p.Protocol != nil && !slices.Contains([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}, *p.Protocol) {
		return false
	}
	switch {
	case p.Port == nil:
		return p.EndPort == nil
	case p.Port.Type == intstr.String:
		return p.Port.StrVal != "" && p.EndPort == nil
	case p.EndPort == nil:
		return validPort(p.Port.IntVal)
	default:
		return validPort(p.Port.IntVal) && validPort(*p.EndPort) && p.Port.IntVal <= *p.EndPort
	}
}

func validPort(number int32) bool { return number >= 1 && number <= 65535 }
