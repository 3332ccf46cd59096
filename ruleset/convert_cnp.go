// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// FromTierwall converts a policy.tierwall.io ClusterNetworkPolicy. It does not
// fail: what is not understood is listed in Problems and fails closed, rule by
// rule; a policy whose tier or subject is not understood selects nothing.
func FromTierwall(o *v1alpha1.ClusterNetworkPolicy) *Policy {
	return fromSpec(PolicyKey{Kind: KindTierwall, Name: o.Name}, &o.Spec)
}

func fromSpec(key PolicyKey, spec *v1alpha1.ClusterNetworkPolicySpec) *Policy {
	p := &Policy{Key: key, Priority: spec.Priority}
	var ok bool
	if p.Tier, ok = tierFrom(spec.Tier); !ok {
		p.Problems = append(p.Problems, Problem{
			Field:   "spec.tier",
			Message: fmt.Sprintf("is %q: use Admin or Baseline; the policy applies to no pod", spec.Tier),
		})
		return p
	}
	p.Subject = subjectFrom(p, &spec.Subject)
	for i := range spec.Ingress {
		r := &spec.Ingress[i]
		peers := make([]v1alpha1.ClusterNetworkPolicyEgressPeer, 0, len(r.From))
		for _, from := range r.From {
			peers = append(peers, v1alpha1.ClusterNetworkPolicyEgressPeer{
				Namespaces: from.Namespaces, Pods: from.Pods, Nodes: from.Nodes, Networks: from.Networks,
			})
		}
		c := clusterRule{field: fmt.Sprintf("spec.ingress[%d]", i), peersField: "from", direction: Ingress, policy: p}
		c.convert(Rule{Index: i, Name: r.Name}, r.Action, peers, r.Protocols)
	}
	for i := range spec.Egress {
		r := &spec.Egress[i]
		c := clusterRule{field: fmt.Sprintf("spec.egress[%d]", i), peersField: "to", direction: Egress, policy: p}
		c.convert(Rule{Index: i, Name: r.Name}, r.Action, r.To, r.Protocols)
	}
	return p
}

func tierFrom(t v1alpha1.Tier) (Tier, bool) {
	switch t {
	case v1alpha1.AdminTier:
		return Admin, true
	case v1alpha1.BaselineTier:
		return Baseline, true
	default:
		return 0, false
	}
}

// subjectFrom converts the subject; nil, and a problem, if it is not understood.
func subjectFrom(p *Policy, s *v1alpha1.ClusterNetworkPolicySubject) *PodSelector {
	var r ruleConverter
	var selector *PodSelector
	switch {
	case s.Namespaces != nil && s.Pods == nil:
		selector = r.podsOfNamespaces("spec.subject.namespaces", s.Namespaces)
	case s.Pods != nil && s.Namespaces == nil:
		selector = r.pods("spec.subject.pods", s.Pods)
	default:
		r.notUnderstood("spec.subject", "must have exactly one of namespaces and pods")
	}
	for _, problem := range r.problems {
		problem.Message += "; the policy applies to no pod"
		p.Problems = append(p.Problems, problem)
	}
	if len(r.problems) > 0 {
		return nil
	}
	return selector
}

func (r *ruleConverter) podsOfNamespaces(field string, s *metav1.LabelSelector) *PodSelector {
	return &PodSelector{Namespaces: r.selector(field, s), Pods: labels.Everything()}
}

func (r *ruleConverter) pods(field string, s *v1alpha1.NamespacedPod) *PodSelector {
	selector := &PodSelector{
		Namespaces: r.selector(field+".namespaceSelector", &s.NamespaceSelector),
		Pods:       r.selector(field+".podSelector", &s.PodSelector),
	}
	if s.NodeSelector != nil {
		selector.Nodes = r.selector(field+".nodeSelector", s.NodeSelector)
	}
	return selector
}

// clusterRule converts one rule of a ClusterNetworkPolicy.
type clusterRule struct {
	ruleConverter
	policy     *Policy
	field      string
	peersField string
	direction  Direction
}

func (c *clusterRule) convert(
	rule Rule, action v1alpha1.ClusterNetworkPolicyRuleAction,
	peers []v1alpha1.ClusterNetworkPolicyEgressPeer, protocols []v1alpha1.ClusterNetworkPolicyProtocol,
) {
	rule.Action = c.action(action)
	if len(peers) == 0 {
		c.notUnderstood(c.field+"."+c.peersField, "is empty: name at least one peer")
	}
	for i := range peers {
		rule.Peers = append(rule.Peers, c.peer(fmt.Sprintf("%s.%s[%d]", c.field, c.peersField, i), rule.Action, &peers[i])...)
	}
	for i := range protocols {
		rule.Ports = append(rule.Ports, c.port(fmt.Sprintf("%s.protocols[%d]", c.field, i), &protocols[i], rule.Peers))
	}
	c.finish(c.policy, c.direction, rule)
}

// action converts an action. One that is not understood is a Deny, which fails
// closed as Deny all.
func (c *clusterRule) action(a v1alpha1.ClusterNetworkPolicyRuleAction) Action {
	switch a {
	case v1alpha1.ClusterNetworkPolicyRuleActionAccept:
		return Accept
	case v1alpha1.ClusterNetworkPolicyRuleActionDeny:
		return Deny
	case v1alpha1.ClusterNetworkPolicyRuleActionPass:
		return Pass
	default:
		c.notUnderstood(c.field+".action", "is %q: use Accept, Deny or Pass", a)
		return Deny
	}
}

// peer converts one peer, which may stand for several.
func (c *clusterRule) peer(field string, action Action, p *v1alpha1.ClusterNetworkPolicyEgressPeer) []Peer {
	if set := countTrue(p.Namespaces != nil, p.Pods != nil, p.Nodes != nil, p.Networks != nil, p.DomainNames != nil); set != 1 {
		c.notUnderstood(field, "has %d of the fields this version understands: it must have exactly one; "+
			"a field that it does not know needs a newer Tierwall", set)
		return nil
	}
	switch {
	case p.Namespaces != nil:
		return []Peer{{Pods: c.podsOfNamespaces(field+".namespaces", p.Namespaces)}}
	case p.Pods != nil:
		return []Peer{{Pods: c.pods(field+".pods", p.Pods)}}
	case p.Nodes != nil:
		return []Peer{{Nodes: c.selector(field+".nodes", p.Nodes)}}
	case p.Networks != nil:
		return c.networks(field+".networks", p.Networks)
	default:
		return c.domainNames(field+".domainNames", action, p.DomainNames)
	}
}

func countTrue(conditions ...bool) int {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func (c *clusterRule) networks(field string, cidrs []v1alpha1.CIDR) []Peer {
	if len(cidrs) == 0 {
		c.notUnderstood(field, "is empty: name at least one CIDR")
	}
	peers := make([]Peer, 0, len(cidrs))
	for i, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(string(cidr))
		if err == nil {
			prefix, err = maskedPrefix(prefix)
		}
		if err != nil {
			c.notUnderstood(fmt.Sprintf("%s[%d]", field, i), "is no CIDR (%v): write it as in 10.0.0.0/8 or fd00::/8", err)
			continue
		}
		peers = append(peers, Peer{Net: &Network{CIDR: prefix}})
	}
	return peers
}

func (c *clusterRule) domainNames(field string, action Action, names []v1alpha1.DomainName) []Peer {
	if len(names) == 0 {
		c.notUnderstood(field, "is empty: name at least one domain name")
	}
	if action != Accept {
		c.notUnderstood(field, "is supported in Accept rules only: accept the names that are allowed and deny the rest in a later rule")
	}
	peers := make([]Peer, 0, len(names))
	for i, name := range names {
		domain, ok := CanonicalDomain(string(name))
		if !ok {
			c.notUnderstood(fmt.Sprintf("%s[%d]", field, i), "is no domain name: write it as in example.com or *.example.com")
			continue
		}
		peers = append(peers, Peer{Domain: domain})
	}
	return peers
}

// CanonicalDomain returns the form in which domain names are compared: lower
// case, without trailing dot. It reports whether the name, or the pattern with
// "*." in front, is one a policy can have.
func CanonicalDomain(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	labels := strings.Split(strings.TrimPrefix(name, wildcard), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsAny(label, "* \t") {
			return "", false
		}
	}
	return name, len(labels) > 1 && len(name) <= 253
}

// port converts one entry of protocols.
func (c *clusterRule) port(field string, p *v1alpha1.ClusterNetworkPolicyProtocol, peers []Peer) Port {
	if set := countTrue(p.TCP != nil, p.UDP != nil, p.SCTP != nil, p.DestinationNamedPort != ""); set != 1 {
		c.notUnderstood(field, "has %d of the fields this version understands: it must have exactly one of tcp, udp, sctp and "+
			"destinationNamedPort; a field that it does not know needs a newer Tierwall", set)
		return Port{}
	}
	switch {
	case p.TCP != nil:
		return c.numbers(field+".tcp", TCP, p.TCP.DestinationPort)
	case p.UDP != nil:
		return c.numbers(field+".udp", UDP, p.UDP.DestinationPort)
	case p.SCTP != nil:
		return c.numbers(field+".sctp", SCTP, p.SCTP.DestinationPort)
	}
	if c.direction == Egress && anyWithoutPorts(peers) {
		c.notUnderstood(field+".destinationNamedPort", "cannot be used with nodes, networks or domainNames, "+
			"which have no named ports: give those peers a rule of their own, with a port number")
	}
	return Port{Name: p.DestinationNamedPort}
}

// anyWithoutPorts reports whether a peer has no named ports.
func anyWithoutPorts(peers []Peer) bool {
	for _, p := range peers {
		if p.Pods == nil {
			return true
		}
	}
	return false
}

func (c *clusterRule) numbers(field string, protocol Protocol, p *v1alpha1.Port) Port {
	var first, last int32
	switch {
	case p == nil || (p.Number != 0) == (p.Range != nil):
		c.notUnderstood(field+".destinationPort", "must have exactly one of number and range")
		return Port{}
	case p.Range != nil:
		first, last = p.Range.Start, p.Range.End
	default:
		first, last = p.Number, p.Number
	}
	if first < 1 || last > 65535 || first > last || (p.Range != nil && first == last) {
		c.notUnderstood(field+".destinationPort", "is %d to %d: ports are 1 to 65535, and a range starts below its end", first, last)
		return Port{}
	}
	return Port{Protocol: protocol, First: uint16(first), Last: uint16(last)}
}
