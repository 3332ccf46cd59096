// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// unknown is how often, in percent, a part of a rule is something that this
// version does not understand.
const unknown = 3

// clusterPolicies draws ClusterNetworkPolicies of one kind. To upstream, our
// additional fields are unknown: they are drawn seldom.
type clusterPolicies struct {
	upstream bool
}

// tierwall draws a policy of our kind.
func tierwall(t *rapid.T) *v1alpha1.ClusterNetworkPolicy {
	return clusterPolicies{}.policy(t)
}

// upstreamPolicy draws a policy of upstream's kind. What upstream does not have
// is lost on the way, as it is to a client that is older than the stored object.
func upstreamPolicy(t *rapid.T) *upstream.ClusterNetworkPolicy {
	o := clusterPolicies{upstream: true}.policy(t)
	o.APIVersion = "policy.networking.k8s.io/v1alpha2"
	data, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Errorf("encode generated policy: %w", err))
	}
	converted := &upstream.ClusterNetworkPolicy{}
	if err := json.Unmarshal(data, converted); err != nil {
		panic(fmt.Errorf("decode generated policy: %w", err))
	}
	return converted
}

func (g clusterPolicies) policy(t *rapid.T) *v1alpha1.ClusterNetworkPolicy {
	o := &v1alpha1.ClusterNetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ClusterNetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: pick(t, "name", policyNames()...)},
	}
	o.Spec.Tier = pick(t, "tier", v1alpha1.AdminTier, v1alpha1.BaselineTier)
	if chance(t, unknown, "unknown tier") {
		o.Spec.Tier = "Developer"
	}
	o.Spec.Priority = pick[int32](t, "priority", 0, 1, 1, 1000)
	o.Spec.Subject = g.subject(t)
	o.Spec.Ingress = listOf(t, "ingress", 0, 3, g.ingressRule)
	o.Spec.Egress = listOf(t, "egress", 0, 3, g.egressRule)
	return o
}

func (g clusterPolicies) subject(t *rapid.T) v1alpha1.ClusterNetworkPolicySubject {
	var s v1alpha1.ClusterNetworkPolicySubject
	kind := pick(t, "subject", "namespaces", "pods")
	if chance(t, unknown, "unknown subject") {
		kind = pick(t, "subject", "none", "both")
	}
	if kind == "namespaces" || kind == "both" {
		s.Namespaces = selectorPointer(t)
	}
	if kind == "pods" || kind == "both" {
		s.Pods = g.pods(t)
	}
	return s
}

func (g clusterPolicies) pods(t *rapid.T) *v1alpha1.NamespacedPod {
	p := &v1alpha1.NamespacedPod{NamespaceSelector: selector(t), PodSelector: selector(t)}
	if !g.upstream && chance(t, 30, "nodeSelector") {
		p.NodeSelector = selectorPointer(t)
	}
	return p
}

func action(t *rapid.T) v1alpha1.ClusterNetworkPolicyRuleAction {
	if chance(t, unknown, "unknown action") {
		return pick[v1alpha1.ClusterNetworkPolicyRuleAction](t, "action", "Log", "", "accept")
	}
	return pick(t, "action", v1alpha1.ClusterNetworkPolicyRuleActionAccept,
		v1alpha1.ClusterNetworkPolicyRuleActionDeny, v1alpha1.ClusterNetworkPolicyRuleActionPass)
}

func (g clusterPolicies) ingressRule(t *rapid.T) v1alpha1.ClusterNetworkPolicyIngressRule {
	r := v1alpha1.ClusterNetworkPolicyIngressRule{Name: pick(t, "rule name", "", "first"), Action: action(t)}
	for _, p := range g.peers(t, false) {
		r.From = append(r.From, v1alpha1.ClusterNetworkPolicyIngressPeer{
			Namespaces: p.Namespaces, Pods: p.Pods, Nodes: p.Nodes, Networks: p.Networks,
		})
	}
	r.Protocols = protocols(t)
	return r
}

func (g clusterPolicies) egressRule(t *rapid.T) v1alpha1.ClusterNetworkPolicyEgressRule {
	return v1alpha1.ClusterNetworkPolicyEgressRule{
		Name: pick(t, "rule name", "", "first"), Action: action(t), To: g.peers(t, true), Protocols: protocols(t),
	}
}

// peers draws one to three peers, seldom none.
func (g clusterPolicies) peers(t *rapid.T, egress bool) []v1alpha1.ClusterNetworkPolicyEgressPeer {
	least := 1
	if chance(t, unknown, "no peers") {
		least = 0
	}
	return listOf(t, "peers", least, 3*least, func(t *rapid.T) v1alpha1.ClusterNetworkPolicyEgressPeer { return g.peer(t, egress) })
}

func (g clusterPolicies) peer(t *rapid.T, egress bool) v1alpha1.ClusterNetworkPolicyEgressPeer {
	kinds := []string{"namespaces", "pods"}
	if egress || !g.upstream {
		kinds = append(kinds, "nodes", "networks")
	}
	if egress {
		kinds = append(kinds, "domainNames")
	}
	var p v1alpha1.ClusterNetworkPolicyEgressPeer
	g.setPeer(t, &p, pick(t, "peer", kinds...))
	if chance(t, unknown, "unknown peer") {
		g.spoilPeer(t, &p)
	}
	return p
}

func (g clusterPolicies) setPeer(t *rapid.T, p *v1alpha1.ClusterNetworkPolicyEgressPeer, kind string) {
	switch kind {
	case "namespaces":
		p.Namespaces = selectorPointer(t)
	case "pods":
		p.Pods = g.pods(t)
	case "nodes":
		p.Nodes = selectorPointer(t)
	case "networks":
		for range rapid.IntRange(1, 3).Draw(t, "networks") {
			p.Networks = append(p.Networks, v1alpha1.CIDR(cidr(t)))
		}
	default:
		p.DomainNames = rapid.SliceOfN(rapid.Custom(domainName), 1, 2).Draw(t, "domainNames")
	}
}

// spoilPeer makes a peer one that is not understood.
func (g clusterPolicies) spoilPeer(t *rapid.T, p *v1alpha1.ClusterNetworkPolicyEgressPeer) {
	switch pick(t, "spoiled how", "none", "two", "empty networks", "empty domainNames") {
	case "none":
		*p = v1alpha1.ClusterNetworkPolicyEgressPeer{}
	case "two":
		g.setPeer(t, p, "namespaces")
		g.setPeer(t, p, pick(t, "second", "pods", "nodes", "networks"))
	case "empty networks":
		p.Networks = []v1alpha1.CIDR{}
	default:
		p.DomainNames = []v1alpha1.DomainName{}
	}
}

func domainName(t *rapid.T) v1alpha1.DomainName {
	if chance(t, unknown, "not valid") {
		return pick[v1alpha1.DomainName](t, "not a name", "*", "", "com", "a.*.com", "*.*.example.com", "*.com", "a..example.com")
	}
	return pick[v1alpha1.DomainName](t, "domain name", "example.com", "EXAMPLE.com.", "a.example.com", "*.example.com", "*.A.example.com", "example.org")
}

func protocols(t *rapid.T) []v1alpha1.ClusterNetworkPolicyProtocol {
	return listOf(t, "protocols", 0, pick(t, "most", 0, 1, 3), protocol)
}

func protocol(t *rapid.T) v1alpha1.ClusterNetworkPolicyProtocol {
	var p v1alpha1.ClusterNetworkPolicyProtocol
	setProtocol(t, &p, pick(t, "protocol", "tcp", "udp", "sctp", "destinationNamedPort"))
	if chance(t, unknown, "unknown protocol") {
		if chance(t, 50, "two") {
			p.DestinationNamedPort = "http"
			setProtocol(t, &p, pick(t, "second", "tcp", "udp"))
		} else {
			p = v1alpha1.ClusterNetworkPolicyProtocol{}
		}
	}
	return p
}

func setProtocol(t *rapid.T, p *v1alpha1.ClusterNetworkPolicyProtocol, kind string) {
	switch kind {
	case "tcp":
		p.TCP = &v1alpha1.ClusterNetworkPolicyProtocolTCP{DestinationPort: destinationPort(t)}
	case "udp":
		p.UDP = &v1alpha1.ClusterNetworkPolicyProtocolUDP{DestinationPort: destinationPort(t)}
	case "sctp":
		p.SCTP = &v1alpha1.ClusterNetworkPolicyProtocolSCTP{DestinationPort: destinationPort(t)}
	default:
		p.DestinationNamedPort = pick(t, "named port", append(portNames(), "nobody-has-it")...)
	}
}

// destinationPort draws a number or a range, seldom what the API forbids.
func destinationPort(t *rapid.T) *v1alpha1.Port {
	if chance(t, 2, "not valid") {
		return pick(t, "not a port", nil, &v1alpha1.Port{}, &v1alpha1.Port{Number: 65536}, &v1alpha1.Port{Number: -1},
			&v1alpha1.Port{Range: &v1alpha1.PortRange{Start: 2, End: 1}}, &v1alpha1.Port{Range: &v1alpha1.PortRange{Start: 80, End: 80}},
			&v1alpha1.Port{Range: &v1alpha1.PortRange{Start: 0, End: 80}}, &v1alpha1.Port{Range: &v1alpha1.PortRange{Start: 80, End: 70000}},
			&v1alpha1.Port{Number: 80, Range: &v1alpha1.PortRange{Start: 80, End: 81}})
	}
	first, last := portRange(t)
	if first == last || chance(t, 40, "number") {
		return &v1alpha1.Port{Number: first}
	}
	return &v1alpha1.Port{Range: &v1alpha1.PortRange{Start: first, End: last}}
}
