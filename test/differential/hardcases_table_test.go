// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"maps"
	"strings"
)

// cnp is a ClusterNetworkPolicy of our kind for all pods of namespace shop.
func cnp(name, tier string, priority, rules string) string {
	return `apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: ` + name + `}
spec: {tier: ` + tier + `, priority: ` + priority + `, subject: {namespaces: {matchLabels: {team: shop}}}, ` + rules + `}`
}

// upstreamOf turns our kind into upstream's.
func upstreamOf(policy string) string {
	return strings.Replace(policy, "policy.tierwall.io/v1alpha1", "policy.networking.k8s.io/v1alpha2", 1)
}

// netpol is a NetworkPolicy in namespace shop.
func netpol(name, spec string) string {
	return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: ` + name + `}
spec: {` + spec + `}`
}

func all(objects ...string) string { return strings.Join(objects, "\n---\n") }

func hardCases() map[string]hardCase {
	cases := map[string]hardCase{}
	for _, group := range []map[string]hardCase{
		failClosedCases(), tierCases(), isolationCases(), portCases(), networkCases(), podCases(), nodeCases(), nameCases(),
	} {
		maps.Copy(cases, group)
	}
	return cases
}

const failClosedText = `For "Accept" rules, "fail closed" means: "treat the rule as matching no traffic". ` +
	`For "Deny" and "Pass" rules, "fail closed" means: "treat the rule as a 'Deny all' rule".`

func failClosedCases() map[string]hardCase {
	denyLater := cnp("later", "Admin", "9", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`)
	return map[string]hardCase{
		"accept of an unknown peer matches nothing": {
			text:    failClosedText,
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{}]}]`), denyLater),
			want:    []string{"tool > web TCP 80: drops", "outside > web TCP 80: passes"},
		},
		"deny of an unknown peer denies all": {
			text:    failClosedText,
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{}]}]`),
			want:    []string{"tool > web TCP 80: drops", "outside > web ICMP 0: drops", "web > tool TCP 80: passes", "own > web TCP 80: passes"},
		},
		"pass of an unknown peer denies all": {
			text:    failClosedText,
			objects: cnp("a", "Admin", "1", `egress: [{action: Pass, to: [{}]}]`),
			want:    []string{"web > tool TCP 80: drops", "web6 > outside6 ICMPv6 0: drops", "tool > web TCP 80: passes", "web > own TCP 80: drops"},
		},
		"an unknown peer spoils the known ones of its rule": {
			text:    failClosedText,
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}, {}]}]`), denyLater),
			want:    []string{"tool > web TCP 80: drops"},
		},
		"deny with an unknown peer denies those who are not its known ones": {
			text:    failClosedText,
			objects: upstreamOf(cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: none}}}, {}]}]`)),
			want:    []string{"tool > web TCP 80: drops", "outside > db UDP 53: drops"},
		},
		"other rules of the policy stay": {
			text:    failClosedText,
			objects: cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}]}, {action: Deny, from: [{}]}]`),
			want:    []string{"tool > web TCP 80: passes", "outside > web TCP 80: drops"},
		},
		"an ingress peer that upstream does not have": {
			text:    "If an implementation sees no fields are set then it can infer that the deployed CRD is of an incompatible version with an unknown field.",
			objects: upstreamOf(cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{networks: [203.0.113.0/24]}]}]`)),
			want:    []string{"outside > web TCP 80: drops", "tool > web TCP 80: drops"},
		},
		"the same peer in our kind": {
			text:    "Networks defines a way to select peers via CIDR blocks.",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{networks: [198.51.100.0/24]}]}]`),
			want:    []string{"outside > web TCP 80: drops", "tool > web TCP 80: passes"},
		},
		"two fields in one peer": {
			text:    "Exactly one of the fields must be set for a given peer",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: none}}, networks: [203.0.113.0/24]}]}]`),
			want:    []string{"outside > web TCP 80: drops"},
		},
		"unknown action denies all": {
			text:    "Currently the following actions are supported: Accept, Deny, Pass",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Log, from: [{namespaces: {matchLabels: {team: none}}}]}]`),
			want:    []string{"outside > web TCP 80: drops"},
		},
		"unknown protocol denies all": {
			text:    "Exactly one field must be set.",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{}]}]`),
			want:    []string{"outside > web TCP 80: drops"},
		},
		"no peers": {
			text:    "This field must be defined and contain at least one item.",
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: []}]`), denyLater),
			want:    []string{"tool > web TCP 80: drops"},
		},
		"a NetworkPolicy's unknown peer": {
			text:    "Only certain combinations of fields are allowed",
			objects: netpol("a", `podSelector: {}, ingress: [{from: [{podSelector: {}}, {}]}]`),
			want:    []string{"db > web TCP 80: drops", "tool > web TCP 80: drops"},
		},
	}
}

func tierCases() map[string]hardCase {
	dropBaseline := cnp("base", "Baseline", "1", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`)
	pass := cnp("a", "Admin", "1", `ingress: [{action: Pass, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}]`)
	return map[string]hardCase{
		"pass in the Admin tier goes to NetworkPolicies": {
			text:    "if an Admin tier CNP uses Pass action, NetworkPolicy evaluation will happen next.",
			objects: all(pass, netpol("n", `podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]`)),
			want:    []string{"db > web TCP 80: passes", "tool > web TCP 80: drops"},
		},
		"pass in the Admin tier skips the rest of the tier": {
			text:    "all the rules with lower precedence at the same tier will be ignored",
			objects: all(pass, cnp("b", "Admin", "2", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`)),
			want:    []string{"tool > web TCP 80: passes"},
		},
		"pass in the Admin tier goes to Baseline without NetworkPolicies": {
			text:    "Further evaluation only happens for Pods not selected by a v1.NetworkPolicy.",
			objects: all(pass, dropBaseline),
			want:    []string{"tool > web TCP 80: drops", "outside > web TCP 80: passes"},
		},
		"pass in the Baseline tier accepts": {
			text: "If a given connection wasn't allowed or denied by any of the tiers, the default kubernetes policy is applied, " +
				"which says that all pods can communicate with each other.",
			objects: all(cnp("a", "Baseline", "0", `ingress: [{action: Pass, from: [{namespaces: {}}]}]`), dropBaseline),
			want:    []string{"tool > web TCP 80: passes"},
		},
		"Baseline does not see what a NetworkPolicy selects": {
			text:    "v1.NetworkPolicy always makes a final decision for selected pods.",
			objects: all(dropBaseline, netpol("n", `podSelector: {matchLabels: {app: web}}, ingress: [{}]`)),
			want:    []string{"tool > web TCP 80: passes", "tool > db TCP 80: drops"},
		},
		"accept in the Admin tier is final": {
			text:    "Accept: No further ClusterNetworkPolicy or NetworkPolicy rules will be processed.",
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}]}]`), dropBaseline, netpol("n", `podSelector: {}`)),
			want:    []string{"tool > web TCP 80: passes", "outside > web TCP 80: drops"},
		},
		"lower priority first": {
			text: "Policies with lower priority values have higher precedence",
			objects: all(cnp("a", "Admin", "2", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`),
				cnp("b", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}]}]`)),
			want: []string{"tool > web TCP 80: passes"},
		},
		"equal priority by name": {
			text: "the implementation can apply any of the matching policies to the connection (here: by name)",
			objects: all(cnp("b", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`),
				upstreamOf(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}]}]`))),
			want: []string{"tool > web TCP 80: passes"},
		},
		"equal priority and name, our kind first": {
			text: "the implementation can apply any of the matching policies to the connection (here: our kind)",
			objects: all(upstreamOf(cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`)),
				cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}]}]`)),
			want: []string{"tool > web TCP 80: passes"},
		},
		"rules in order": {
			text:    "a rule that appears at the top of the ingress rules would take the highest precedence",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {app: db}}}}]}, {action: Deny, from: [{namespaces: {}}]}]`),
			want:    []string{"db > web TCP 80: passes", "tool > web TCP 80: drops"},
		},
		"no ingress rules do not affect ingress": {
			text:    "CNPs with no ingress rules do not affect ingress traffic.",
			objects: cnp("a", "Admin", "1", `ingress: [], egress: [{action: Deny, to: [{namespaces: {}}]}]`),
			want:    []string{"tool > web TCP 80: passes", "web > tool TCP 80: drops"},
		},
	}
}

func isolationCases() map[string]hardCase {
	return map[string]hardCase{
		"without policyTypes and egress only ingress is isolated": {
			text:    "all policies (whether or not they contain an ingress section) are assumed to affect ingress.",
			objects: netpol("n", `podSelector: {}`),
			want:    []string{"tool > web TCP 80: drops", "web > tool TCP 80: passes"},
		},
		"without policyTypes an egress section isolates both": {
			text:    "policies that contain an egress section are assumed to affect egress",
			objects: netpol("n", `podSelector: {}, egress: [{to: [{namespaceSelector: {matchLabels: {team: dev}}}]}]`),
			want:    []string{"web > tool TCP 80: passes", "web > outside TCP 80: drops", "tool > web TCP 80: drops"},
		},
		"an empty egress section is none": {
			text:    "such a policy would not include an egress section and would otherwise default to just [ \"Ingress\" ]",
			objects: netpol("n", `podSelector: {}, egress: []`),
			want:    []string{"web > tool TCP 80: passes", "tool > web TCP 80: drops"},
		},
		"egress only": {
			text:    "If you want to write an egress-only policy, you must explicitly specify policyTypes [ \"Egress\" ].",
			objects: netpol("n", `podSelector: {}, policyTypes: [Egress], ingress: [{}]`),
			want:    []string{"tool > web TCP 80: passes", "web > tool TCP 80: drops"},
		},
		"policies add up": {
			text: "Multiple network policies can select the same set of pods. In this case, the ingress rules for each are combined additively.",
			objects: all(netpol("a", `podSelector: {}`), netpol("b", `podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]`),
				netpol("c", `podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: dev}}}]}]`)),
			want: []string{"db > web TCP 80: passes", "tool > web TCP 80: passes", "tool > db TCP 80: drops", "web > db TCP 80: drops"},
		},
		"a rule without peers matches every source": {
			text:    "If this field is empty or missing, this rule matches all sources (traffic not restricted by source).",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]`),
			want:    []string{"outside > web TCP 80: passes", "outside > web TCP 81: drops", "outside > web UDP 80: drops"},
		},
		"podSelector and namespaceSelector in one peer": {
			text:    "the NetworkPolicyPeer as a whole selects the pods matching podSelector in the Namespaces selected by NamespaceSelector.",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}, namespaceSelector: {matchLabels: {team: shop}}}]}]`),
			want:    []string{"tool > db TCP 80: drops", "web > db TCP 80: passes"},
		},
		"podSelector alone is the policy's namespace": {
			text:    "Otherwise it selects the pods matching podSelector in the policy's own namespace.",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [{podSelector: {}}]}]`),
			want:    []string{"tool > web TCP 80: drops", "db > web TCP 80: passes", "outside > web TCP 80: drops"},
		},
		"the pod's own node": {
			text:    "OR if the traffic source is the pod's local node",
			objects: netpol("n", `podSelector: {}`),
			want:    []string{"own > web TCP 80: passes", "own6 > web6 TCP 80: passes", "gateway > web TCP 80: passes", "other > web TCP 80: drops"},
		},
		"a pod and itself": {
			text:    "traffic between a pod and itself is never evaluated (DESIGN.md section 3)",
			objects: all(netpol("n", `podSelector: {}, policyTypes: [Ingress, Egress]`), cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}]}], egress: [{action: Deny, to: [{namespaces: {}}]}]`)),
			want:    []string{"web > web TCP 80: passes", "web6 > web6 UDP 53: passes", "web > db TCP 80: drops"},
		},
	}
}
