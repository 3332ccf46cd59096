// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// clusterPolicy is one ClusterNetworkPolicy of either kind.
type clusterPolicy struct {
	kind, name string
	spec       *v1alpha1.ClusterNetworkPolicySpec
	rules      map[Direction][]clusterRule
}

// clusterRule is one rule of a ClusterNetworkPolicy. The peers of both
// directions have one type: those of ingress have no domain names.
type clusterRule struct {
	action    v1alpha1.ClusterNetworkPolicyRuleAction
	peers     []v1alpha1.ClusterNetworkPolicyEgressPeer
	protocols []v1alpha1.ClusterNetworkPolicyProtocol
	// failClosed is set if a part of the rule has no meaning to this version.
	failClosed bool
}

// clusterTier evaluates the ClusterNetworkPolicies of a tier: "a rule that
// appears at the top of the rules would take the highest precedence".
func (q *query) clusterTier(tier v1alpha1.Tier) (Verdict, bool) {
	for _, policy := range q.tiers[tier] {
		if !q.isSubject(policy.spec.Subject) {
			continue
		}
		for i, rule := range policy.rules[q.direction] {
			action, matched := q.apply(rule)
			if !matched {
				continue
			}
			if action == v1alpha1.ClusterNetworkPolicyRuleActionPass {
				return Verdict{}, false
			}
			allowed := action == v1alpha1.ClusterNetworkPolicyRuleActionAccept
			return Verdict{Allowed: allowed, Kind: policy.kind, Name: policy.name, Direction: q.direction, Rule: i}, true
		}
	}
	return Verdict{}, false
}

// clusterPolicies returns the policies of each tier, in order: "Policies with
// lower priority values have higher precedence".
func (c *Cluster) clusterPolicies() map[v1alpha1.Tier][]clusterPolicy {
	tiers := map[v1alpha1.Tier][]clusterPolicy{}
	add := func(kind, name string, spec *v1alpha1.ClusterNetworkPolicySpec) {
		rules := map[Direction][]clusterRule{Ingress: rulesOf(spec, Ingress), Egress: rulesOf(spec, Egress)}
		tiers[spec.Tier] = append(tiers[spec.Tier], clusterPolicy{kind, name, spec, rules})
	}
	for _, p := range c.Tierwall {
		add(KindTierwall, p.Name, &p.Spec)
	}
	for _, p := range c.Upstream {
		add(KindUpstream, p.Name, SpecOfUpstream(&p.Spec))
	}
	for _, policies := range tiers {
		slices.SortStableFunc(policies, func(a, b clusterPolicy) int {
			return cmp.Or(cmp.Compare(a.spec.Priority, b.spec.Priority), cmp.Compare(a.name, b.name))
		})
	}
	return tiers
}

// isSubject reports whether the policy applies to the subject: "Exactly one
// field must be set."
func (q *query) isSubject(s v1alpha1.ClusterNetworkPolicySubject) bool {
	peer := v1alpha1.ClusterNetworkPolicyEgressPeer{Namespaces: s.Namespaces, Pods: s.Pods}
	return validPeer(peer) && q.podsPeer(peer, q.subject)
}

func rulesOf(spec *v1alpha1.ClusterNetworkPolicySpec, d Direction) []clusterRule {
	var rules []clusterRule
	if d == Egress {
		for _, r := range spec.Egress {
			rules = append(rules, clusterRule{action: r.Action, peers: r.To, protocols: r.Protocols})
		}
	} else {
		for _, r := range spec.Ingress {
			rules = append(rules, clusterRule{action: r.Action, peers: ingressPeers(r.From), protocols: r.Protocols})
		}
	}
	for i := range rules {
		rules[i].failClosed = !rules[i].understood(d)
	}
	return rules
}

func ingressPeers(from []v1alpha1.ClusterNetworkPolicyIngressPeer) []v1alpha1.ClusterNetworkPolicyEgressPeer {
	var peers []v1alpha1.ClusterNetworkPolicyEgressPeer
	for _, p := range from {
		peers = append(peers, v1alpha1.ClusterNetworkPolicyEgressPeer{
			Namespaces: p.Namespaces, Pods: p.Pods, Nodes: p.Nodes, Networks: p.Networks,
		})
	}
	return peers
}

// apply returns what a rule does with the packet, and whether it matches. 'For
// "Accept" rules, "fail closed" means: "treat the rule as matching no traffic".
// For "Deny" and "Pass" rules, "fail closed" means: "treat the rule as a 'Deny
// all' rule".'
func (q *query) apply(r clusterRule) (v1alpha1.ClusterNetworkPolicyRuleAction, bool) {
	if r.failClosed {
		return v1alpha1.ClusterNetworkPolicyRuleActionDeny, r.action != v1alpha1.ClusterNetworkPolicyRuleActionAccept
	}
	peer := slices.ContainsFunc(r.peers, q.matchesPeer)
	return r.action, peer && (len(r.protocols) == 0 || slices.ContainsFunc(r.protocols, q.matchesProtocol))
}

func (q *query) matchesPeer(p v1alpha1.ClusterNetworkPolicyEgressPeer) bool {
	switch {
	case p.Nodes != nil:
		return q.isNode(q.peer(), p.Nodes)
	case p.Networks != nil:
		return slices.ContainsFunc(p.Networks, func(cidr v1alpha1.CIDR) bool {
			return netip.MustParsePrefix(string(cidr)).Contains(q.peer())
		})
	case p.DomainNames != nil:
		return slices.ContainsFunc(p.DomainNames, q.learned)
	default:
		return q.podsPeer(p, q.other)
	}
}

// podsPeer reports whether the namespaces or pods field of a peer or subject
// selects the pod, if it is one.
func (q *query) podsPeer(p v1alpha1.ClusterNetworkPolicyEgressPeer, pod *corev1.Pod) bool {
	switch {
	case pod == nil:
		return false
	case p.Namespaces != nil:
		return matches(p.Namespaces, q.cluster.namespaceLabels(pod.Namespace))
	}
	if p.Pods.NodeSelector != nil {
		node := q.cluster.node(pod.Spec.NodeName)
		if node == nil || !matches(p.Pods.NodeSelector, node.Labels) {
			return false
		}
	}
	return matches(&p.Pods.NamespaceSelector, q.cluster.namespaceLabels(pod.Namespace)) && matches(&p.Pods.PodSelector, pod.Labels)
}

// learned reports whether the peer's address was learned for a name that the
// pattern matches: "'*', the wildcard specifier, matches one or more entire
// labels."
func (q *query) learned(pattern v1alpha1.DomainName) bool {
	for name, addresses := range q.cluster.Learned {
		if slices.Contains(addresses, q.peer()) && matchesName(canonical(string(pattern)), canonical(name)) {
			return true
		}
	}
	return false
}

func matchesName(pattern, name string) bool {
	if suffix, wild := strings.CutPrefix(pattern, "*"); wild {
		return strings.HasSuffix(name, suffix) && len(name) > len(suffix)
	}
	return name == pattern
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (q *query) matchesProtocol(p v1alpha1.ClusterNetworkPolicyProtocol) bool {
	switch {
	case p.TCP != nil:
		return q.packet.Protocol == TCP && q.matchesPort(p.TCP.DestinationPort)
	case p.UDP != nil:
		return q.packet.Protocol == UDP && q.matchesPort(p.UDP.DestinationPort)
	case p.SCTP != nil:
		return q.packet.Protocol == SCTP && q.matchesPort(p.SCTP.DestinationPort)
	default:
		return q.namedPort(p.DestinationNamedPort)
	}
}

func (q *query) matchesPort(p *v1alpha1.Port) bool {
	port := int32(q.packet.Port)
	if p.Range != nil {
		return p.Range.Start <= port && port <= p.Range.End
	}
	return p.Number == port
}

// understood reports whether every part of a rule has a meaning to this version.
func (r clusterRule) understood(d Direction) bool {
	actions := []v1alpha1.ClusterNetworkPolicyRuleAction{
		v1alpha1.ClusterNetworkPolicyRuleActionAccept, v1alpha1.ClusterNetworkPolicyRuleActionDeny, v1alpha1.ClusterNetworkPolicyRuleActionPass,
	}
	if !slices.Contains(actions, r.action) || len(r.peers) == 0 {
		return false
	}
	for _, p := range r.peers {
		// "DomainNames is only supported for Accept rules."
		if !validPeer(p) || (p.DomainNames != nil && r.action != v1alpha1.ClusterNetworkPolicyRuleActionAccept) {
			return false
		}
	}
	for _, p := range r.protocols {
		// "You can't use this in a rule that targets resources without named
		// ports (e.g. Nodes or Networks)." Those of ingress are the subject's.
		named := p.DestinationNamedPort != "" && d == Egress
		if !validProtocol(p) || (named && slices.ContainsFunc(r.peers, withoutPorts)) {
			return false
		}
	}
	return true
}

func withoutPorts(p v1alpha1.ClusterNetworkPolicyEgressPeer) bool {
	return p.Networks != nil || p.Nodes != nil || p.DomainNames != nil
}

// validPeer: "Exactly one of the fields must be set for a given peer".
func validPeer(p v1alpha1.ClusterNetworkPolicyEgressPeer) bool {
	if count(p.Namespaces != nil, p.Pods != nil, p.Nodes != nil, p.Networks != nil, p.DomainNames != nil) != 1 {
		return false
	}
	switch {
	case p.Namespaces != nil:
		return validSelector(p.Namespaces)
	case p.Pods != nil:
		return validSelector(&p.Pods.NamespaceSelector) && validSelector(&p.Pods.PodSelector) && validSelector(p.Pods.NodeSelector)
	case p.Nodes != nil:
		return validSelector(p.Nodes)
	case p.Networks != nil:
		return len(p.Networks) > 0 && !slices.ContainsFunc(p.Networks, func(c v1alpha1.CIDR) bool { return !validCIDR(string(c)) })
	default:
		return len(p.DomainNames) > 0 && !slices.ContainsFunc(p.DomainNames, func(n v1alpha1.DomainName) bool { return !validName(string(n)) })
	}
}

// validCIDR is what isCIDR of the API's validation rule accepts.
func validCIDR(cidr string) bool {
	prefix, err := netip.ParsePrefix(cidr)
	return err == nil && !prefix.Addr().Is4In6()
}

// validName checks the pattern of the API's DomainName.
func validName(name string) bool {
	pattern := `^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`
	return regexp.MustCompile(pattern).MatchString(name)
}

// validProtocol: "Exactly one field must be set." TCP, UDP and SCTP must have
// at least one property, and there is only one.
func validProtocol(p v1alpha1.ClusterNetworkPolicyProtocol) bool {
	if count(p.TCP != nil, p.UDP != nil, p.SCTP != nil, p.DestinationNamedPort != "") != 1 {
		return false
	}
	switch {
	case p.TCP != nil:
		return validPortMatch(p.TCP.DestinationPort)
	case p.UDP != nil:
		return validPortMatch(p.UDP.DestinationPort)
	case p.SCTP != nil:
		return validPortMatch(p.SCTP.DestinationPort)
	default:
		return true
	}
}

// validPortMatch: "You must specify either Port or Range"; "the Start value must
// be less than End".
func validPortMatch(p *v1alpha1.Port) bool {
	if p == nil || count(p.Number != 0, p.Range != nil) != 1 {
		return false
	}
	if p.Range != nil {
		return validPort(p.Range.Start) && validPort(p.Range.End) && p.Range.Start < p.Range.End
	}
	return validPort(p.Number)
}

func count(conditions ...bool) int {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
