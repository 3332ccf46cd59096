// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	netutils "k8s.io/utils/net"
)

// FromNetworkPolicy converts a networking.k8s.io/v1 NetworkPolicy. It does not
// fail: a rule that is not understood is listed in Problems and accepts
// nothing, while the policy still isolates its pods.
func FromNetworkPolicy(o *networkingv1.NetworkPolicy) *Policy {
	p := &Policy{Key: PolicyKey{Kind: KindNetworkPolicy, Namespace: o.Namespace, Name: o.Name}, Tier: NetworkPolicy}
	p.Isolates[Ingress], p.Isolates[Egress] = isolates(&o.Spec)
	var r ruleConverter
	pods := r.selector("spec.podSelector", &o.Spec.PodSelector)
	for _, problem := range r.problems {
		problem.Message += "; the policy applies to no pod"
		p.Problems = append(p.Problems, problem)
	}
	if pods != nil {
		p.Subject = &PodSelector{Namespace: o.Namespace, Pods: pods}
	}
	if p.Isolates[Ingress] {
		for i, rule := range o.Spec.Ingress {
			c := namespacedRule{field: fmt.Sprintf("spec.ingress[%d]", i), peersField: "from", direction: Ingress, policy: p}
			c.convert(i, rule.From, rule.Ports)
		}
	}
	if p.Isolates[Egress] {
		for i, rule := range o.Spec.Egress {
			c := namespacedRule{field: fmt.Sprintf("spec.egress[%d]", i), peersField: "to", direction: Egress, policy: p}
			c.convert(i, rule.To, rule.Ports)
		}
	}
	return p
}

// isolates tells the directions the policy relates to, with the defaults that
// the godoc of NetworkPolicySpec.PolicyTypes gives.
func isolates(s *networkingv1.NetworkPolicySpec) (ingress, egress bool) {
	if len(s.PolicyTypes) == 0 {
		return true, len(s.Egress) > 0
	}
	return slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeIngress), slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeEgress)
}

// namespacedRule converts one rule of a NetworkPolicy.
type namespacedRule struct {
	ruleConverter
	policy     *Policy
	field      string
	peersField string
	direction  Direction
}

func (c *namespacedRule) convert(index int, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
	rule := Rule{Index: index, Action: Accept}
	for i := range peers {
		rule.Peers = append(rule.Peers, c.peer(fmt.Sprintf("%s.%s[%d]", c.field, c.peersField, i), &peers[i]))
	}
	for i := range ports {
		rule.Ports = append(rule.Ports, c.port(fmt.Sprintf("%s.ports[%d]", c.field, i), &ports[i]))
	}
	c.finish(c.policy, c.direction, rule)
}

func (c *namespacedRule) peer(field string, p *networkingv1.NetworkPolicyPeer) Peer {
	switch {
	case p.IPBlock != nil && p.PodSelector == nil && p.NamespaceSelector == nil:
		return Peer{Net: c.ipBlock(field+".ipBlock", p.IPBlock)}
	case p.IPBlock == nil && (p.PodSelector != nil || p.NamespaceSelector != nil):
		return Peer{Pods: c.peerPods(field, p)}
	default:
		c.notUnderstood(field, "must have ipBlock, or podSelector and namespaceSelector or one of them; "+
			"a field that this version does not know needs a newer Tierwall")
		return Peer{}
	}
}

func (c *namespacedRule) peerPods(field string, p *networkingv1.NetworkPolicyPeer) *PodSelector {
	selector := &PodSelector{Pods: labels.Everything()}
	if p.PodSelector != nil {
		selector.Pods = c.selector(field+".podSelector", p.PodSelector)
	}
	if p.NamespaceSelector != nil {
		selector.Namespaces = c.selector(field+".namespaceSelector", p.NamespaceSelector)
	} else {
		selector.Namespace = c.policy.Key.Namespace
	}
	return selector
}

func (c *namespacedRule) ipBlock(field string, b *networkingv1.IPBlock) *Network {
	n := &Network{CIDR: c.cidr(field+".cidr", b.CIDR)}
	for i, except := range b.Except {
		n.Except = append(n.Except, c.cidr(fmt.Sprintf("%s.except[%d]", field, i), except))
	}
	return n
}

// cidr parses a block as the API server does, which takes leading zeros.
func (c *namespacedRule) cidr(field, text string) netip.Prefix {
	_, block, err := netutils.ParseCIDRSloppy(text)
	if err != nil {
		c.notUnderstood(field, "is no CIDR (%v): write it as in 10.0.0.0/8 or fd00::/8", err)
		return netip.Prefix{}
	}
	address, _ := netip.AddrFromSlice(block.IP)
	bits, _ := block.Mask.Size()
	prefix, err := maskedPrefix(netip.PrefixFrom(address, bits))
	if err != nil {
		c.notUnderstood(field, "is no CIDR (%v)", err)
	}
	return prefix
}

func (c *namespacedRule) port(field string, p *networkingv1.NetworkPolicyPort) Port {
	port := Port{Protocol: TCP}
	if p.Protocol != nil {
		port.Protocol = c.protocol(field+".protocol", *p.Protocol)
	}
	switch {
	case p.Port == nil && p.EndPort == nil:
		port.Last = 65535
	case p.Port != nil && p.Port.Type == intstr.String:
		port.Name = p.Port.StrVal
		if p.EndPort != nil || port.Name == "" {
			c.notUnderstood(field, "must have a number or a name as port, and endPort only with a number")
		}
	case p.Port == nil:
		c.notUnderstood(field+".endPort", "needs port: set it to the first port of the range")
	default:
		c.numbers(field, p, &port)
	}
	return port
}

func (c *namespacedRule) numbers(field string, p *networkingv1.NetworkPolicyPort, port *Port) {
	first, last := p.Port.IntVal, p.Port.IntVal
	if p.EndPort != nil {
		last = *p.EndPort
	}
	if first < 1 || last > 65535 || first > last {
		c.notUnderstood(field, "is %d to %d: ports are 1 to 65535, and endPort is not below port", first, last)
		return
	}
	port.First, port.Last = uint16(first), uint16(last)
}

func (c *namespacedRule) protocol(field string, p corev1.Protocol) Protocol {
	protocol, ok := protocolFrom(p)
	if !ok {
		c.notUnderstood(field, "is %q: use TCP, UDP or SCTP", p)
	}
	return protocol
}

// protocolFrom converts a core protocol name.
func protocolFrom(p corev1.Protocol) (Protocol, bool) {
	switch p {
	case corev1.ProtocolTCP:
		return TCP, true
	case corev1.ProtocolUDP:
		return UDP, true
	case corev1.ProtocolSCTP:
		return SCTP, true
	default:
		return 0, false
	}
}
