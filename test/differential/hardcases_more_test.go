// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

func portCases() map[string]hardCase {
	const namedText = "DestinationNamedPort selects a destination port on a pod based on the ContainerPort name."
	denyAll := cnp("deny", "Admin", "9", `ingress: [{action: Deny, from: [{networks: [0.0.0.0/0, "::/0"]}]}]`)
	return map[string]hardCase{
		"a named port is another number on every pod": {
			text:    namedText,
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]`), denyAll),
			want:    []string{"tool > web TCP 80: passes", "tool > web TCP 81: drops", "tool > db TCP 81: passes", "tool > db TCP 80: drops"},
		},
		"a named port of several containers and protocols": {
			text:    namedText,
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]`), denyAll),
			want:    []string{"tool > db TCP 81: passes", "tool > db UDP 82: passes", "tool > db TCP 82: drops", "tool > db TCP 83: passes", "tool > db UDP 83: drops"},
		},
		"a named port in egress is the peer's": {
			text:    namedText,
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]`),
			want:    []string{"web > db TCP 81: drops", "web > db TCP 80: passes", "db > web TCP 80: drops", "web > tool TCP 80: passes"},
		},
		"a NetworkPolicy's named port has its protocol": {
			text:    "If present, only traffic on the specified protocol AND port will be matched.",
			objects: netpol("n", `podSelector: {}, ingress: [{ports: [{port: http}]}]`),
			want:    []string{"tool > db TCP 81: passes", "tool > db TCP 83: passes", "tool > db UDP 82: drops"},
		},
		"a named port cannot be a node's": {
			text:    `You can't use this in a rule that targets resources without named ports (e.g. Nodes or Networks).`,
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{namespaces: {}}, {nodes: {}}], protocols: [{destinationNamedPort: http}]}]`),
			want:    []string{"web > tool TCP 7: drops", "web > outside UDP 53: drops"},
		},
		"ranges that touch and nest": {
			text: "PortRange defines an inclusive range of ports",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 80, end: 82}}}}]},
  {action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 1, end: 100}}}}, {tcp: {destinationPort: {range: {start: 101, end: 65535}}}}]},
  {action: Deny, from: [{namespaces: {}}]}]`),
			want: []string{"tool > web TCP 79: passes", "tool > web TCP 80: drops", "tool > web TCP 82: drops", "tool > web TCP 83: passes",
				"tool > web TCP 101: passes", "tool > web TCP 65535: passes", "tool > web UDP 79: drops", "tool > web ICMP 0: drops"},
		},
		"SCTP": {
			text:    "SCTP specific protocol matches.",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{sctp: {destinationPort: {number: 80}}}]}]`),
			want:    []string{"tool > web SCTP 80: drops", "tool6 > web6 SCTP 80: drops", "tool > web SCTP 81: passes", "tool > web TCP 80: passes"},
		},
		"without protocols every protocol": {
			text:    "If unspecified, protocol-specific attributes will not be used to match traffic.",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {}}]}]`),
			want:    []string{"tool > web ICMP 0: drops", "tool6 > web6 ICMPv6 0: drops", "tool > web SCTP 9: drops", "outside > web ICMP 0: passes"},
		},
		"a NetworkPolicy's port is TCP by default": {
			text:    "If not specified, this field defaults to TCP.",
			objects: netpol("n", `podSelector: {}, ingress: [{ports: [{port: 80, endPort: 82}, {protocol: UDP}]}]`),
			want:    []string{"tool > web TCP 82: passes", "tool > web TCP 83: drops", "tool > web UDP 9: passes", "tool > web ICMP 0: drops"},
		},
		"endPort with a name": {
			text:    "This field cannot be defined if the port field is not defined or if the port field is defined as a named (string) port.",
			objects: netpol("n", `podSelector: {}, ingress: [{ports: [{port: http, endPort: 90}, {port: 80}]}]`),
			want:    []string{"tool > web TCP 80: drops"},
		},
	}
}

func networkCases() map[string]hardCase {
	const insideText = "cluster-internal traffic will be checked against the rule as well. So if you Accept or Deny traffic to " +
		`"0.0.0.0/0", that will allow or deny all IPv4 pod-to-pod traffic as well.`
	return map[string]hardCase{
		"0.0.0.0/0 is every IPv4 address, pods too": {
			text:    insideText,
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]`),
			want:    []string{"web > db TCP 80: drops", "web > outside TCP 80: drops", "web > own TCP 80: drops", "web6 > db6 TCP 80: passes", "web6 > outside6 TCP 80: passes"},
		},
		"::/0 is every IPv6 address": {
			text:    insideText,
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{networks: ["::/0"]}]}]`),
			want:    []string{"web6 > db6 TCP 80: drops", "web6 > outside6 ICMPv6 0: drops", "web > db TCP 80: passes"},
		},
		"pods passed before a network": {
			text:    "If you don't want that, add a rule that Passes all pod traffic before the Networks rule.",
			objects: cnp("a", "Admin", "1", `egress: [{action: Pass, to: [{namespaces: {}}]}, {action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]`),
			want:    []string{"web > db TCP 80: passes", "web6 > tool6 TCP 80: passes", "web > outside TCP 80: drops", "web6 > outside6 TCP 80: drops"},
		},
		"single addresses, duplicates and overlaps": {
			text: "Networks defines a way to select peers via CIDR blocks.",
			objects: cnp("a", "Admin", "1", `egress: [{action: Accept, to: [{networks: [10.0.1.15/32, "fd00:0:0:1::f/128", 10.0.1.15/32]}]},
  {action: Deny, to: [{networks: [10.0.0.0/8, 10.0.1.0/24, 10.0.1.14/31, "fd00::/8", "fd00:0:0:1::/64"]}, {networks: [10.0.0.0/8]}]}]`),
			want: []string{"web > db TCP 80: passes", "web6 > db6 TCP 80: passes", "web > tool TCP 80: drops", "web6 > tool6 TCP 80: drops", "web > outside TCP 80: passes"},
		},
		"host bits are ignored": {
			text:    "Each item in Networks should be provided in the CIDR format",
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{networks: [198.51.100.77/24]}]}]`),
			want:    []string{"web > outside TCP 80: drops", "web > db TCP 80: passes"},
		},
		"ipBlock with except": {
			text:    "The except entry describes CIDRs that should not be included within this rule.",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 10.0.1.0/24]}}]}]`),
			want:    []string{"outside > web TCP 80: passes", "tool > web TCP 80: drops", "db > web TCP 80: drops", "outside6 > web6 TCP 80: drops"},
		},
		"except of one rule does not take from another": {
			text:    "Items in this list are combined using a logical OR operation.",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.2.0/24]}}, {ipBlock: {cidr: 10.0.2.14/32}}]}]`),
			want:    []string{"tool > web TCP 80: passes", "db > web TCP 80: passes", "tunnel > web TCP 80: drops"},
		},
	}
}

func podCases() map[string]hardCase {
	denyWeb := cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{pods: {podSelector: {matchLabels: {app: web}}}}]}]`)
	pod := func(name, uid, created, spec, status string) string {
		return `apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: ` + name + `, uid: "` + uid + `", labels: {app: web}, creationTimestamp: "` + created + `"` + `}
spec: {nodeName: node-a, containers: [{name: main}]` + spec + `}
status: {` + status + `}`
	}
	const identityText = "Namespaces defines a way to select all pods within a set of Namespaces."
	return map[string]hardCase{
		"an ended pod has no address": {
			text:    identityText,
			objects: all(denyWeb, pod("web", "1", "2026-01-01T00:00:00Z", "", `phase: Succeeded, podIPs: [{ip: 10.0.1.14}, {ip: "fd00:0:0:1::e"}]`)),
			want:    []string{"web > db TCP 80: passes", "tool > db TCP 80: drops", "tool > web TCP 80: passes"},
		},
		"an address is the youngest pod's": {
			text:    identityText,
			objects: all(denyWeb, pod("next", "9", "2026-02-01T00:00:00Z", "", `phase: Running, podIPs: [{ip: 10.0.1.15}]`)),
			want:    []string{"db > web TCP 80: drops", "db6 > web6 TCP 80: passes"},
		},
		"an older pod does not take an address": {
			text:    identityText,
			objects: all(denyWeb, pod("next", "9", "2025-02-01T00:00:00Z", "", `phase: Pending, podIPs: [{ip: 10.0.1.15}]`)),
			want:    []string{"db > web TCP 80: passes"},
		},
		"a terminating pod is still there": {
			text: identityText,
			objects: all(denyWeb, `apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, uid: "1", labels: {app: web}, creationTimestamp: "2026-01-01T00:00:00Z", deletionTimestamp: "2026-01-02T00:00:00Z"}
spec: {nodeName: node-a, containers: [{name: main}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.14}, {ip: "fd00:0:0:1::e"}]}`),
			want: []string{"web > db TCP 80: drops", "tool > web TCP 80: drops"},
		},
		"both addresses of a pod": {
			text:    identityText,
			objects: denyWeb,
			want:    []string{"web > db TCP 80: drops", "web6 > db6 TCP 80: drops", "tool6 > db6 UDP 80: drops"},
		},
		"host-networked pods are no pods": {
			text:    "Note that host-networked pods are not included in this type of peer.",
			objects: denyWeb,
			want:    []string{"other > web TCP 80: passes", "other6 > web6 TCP 80: passes"},
		},
		"labels of a namespace": {
			text: identityText,
			objects: all(cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: dev}}}]}]`),
				`{apiVersion: v1, kind: Namespace, metadata: {name: dev, labels: {team: other}}}`),
			want: []string{"tool > web TCP 80: passes"},
		},
		"an empty selector is everything, an absent one nothing": {
			text:    "This field follows standard label selector semantics; if present but empty, it selects all namespaces.",
			objects: netpol("n", `podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]`),
			want:    []string{"tool > web TCP 80: passes", "outside > web TCP 80: drops", "other > web TCP 80: drops"},
		},
		"NotIn and DoesNotExist match what has no such label": {
			text:    "This field follows standard label selector semantics",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{pods: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}, {key: none, operator: DoesNotExist}]}}}]}]`),
			want:    []string{"tool > web TCP 80: drops", "db > web TCP 80: passes"},
		},
		"pods on some nodes": {
			text:    "NodeSelector selects by the labels of the node that the pod runs on (our kind)",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{pods: {podSelector: {}, nodeSelector: {matchLabels: {zone: west}}}}]}]`),
			want:    []string{"tool > web TCP 80: drops", "db > web TCP 80: passes", "other > web TCP 80: passes"},
		},
	}
}

func nodeCases() map[string]hardCase {
	return map[string]hardCase{
		"nodes by their status addresses": {
			text:    "It selects the nodeIPs as the peer type by matching on the IPs present in the node.Status.Addresses field of the node.",
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: west}}}]}]`),
			want:    []string{"web > other TCP 80: drops", "web6 > other6 TCP 80: drops", "web > own TCP 80: passes", "web > tool TCP 80: passes"},
		},
		"a pod's own node as its peer": {
			text:    "if present but empty, it selects all Nodes.",
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{nodes: {}}]}]`),
			want:    []string{"web > own TCP 80: drops", "web6 > own6 UDP 53: drops", "web > other ICMP 0: drops"},
		},
		"nodes as ingress peers, by the address of their tunnel too": {
			text:    "the first address of each of its spec.podCIDRs (our kind)",
			objects: cnp("a", "Admin", "1", `ingress: [{action: Deny, from: [{nodes: {}}]}]`),
			want:    []string{"other > web TCP 80: drops", "tunnel > web TCP 80: drops", "own > web TCP 80: passes", "gateway > web TCP 80: passes", "outside > web TCP 80: passes"},
		},
	}
}

func nameCases() map[string]hardCase {
	learned := func(name, addresses string) string {
		return `{apiVersion: v1, kind: ConfigMap, metadata: {name: learned-names}, data: {` + name + `: "` + addresses + `"}}`
	}
	allowlist := func(name string) string {
		return cnp("a", "Admin", "1", `egress: [{action: Accept, to: [{domainNames: ["`+name+`"]}]}, {action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]`)
	}
	return map[string]hardCase{
		"an exact name": {
			text:    "`kubernetes.io` matches only `kubernetes.io`. It does not match \"www.kubernetes.io\"",
			objects: all(allowlist("Kubernetes.IO."), learned("kubernetes.io", "198.51.100.1")),
			want:    []string{"web > outside TCP 443: passes", "web6 > outside6 TCP 443: drops"},
		},
		"an exact name is not the names below it": {
			text:    "`kubernetes.io` matches only `kubernetes.io`. It does not match \"www.kubernetes.io\"",
			objects: all(allowlist("kubernetes.io"), learned("www.kubernetes.io", "198.51.100.1")),
			want:    []string{"web > outside TCP 443: drops"},
		},
		"a wildcard is one or more labels": {
			text:    "`*.kubernetes.io` matches subdomains of kubernetes.io: \"latest.blog.kubernetes.io\"",
			objects: all(allowlist("*.kubernetes.io"), learned("latest.blog.kubernetes.io", "198.51.100.1 2001:db8:f::1")),
			want:    []string{"web > outside TCP 443: passes", "web6 > outside6 TCP 443: passes"},
		},
		"a wildcard is not the name itself": {
			text:    "however \"kubernetes.io\", and \"wikipedia.org\" do not.",
			objects: all(allowlist("*.kubernetes.io"), learned("kubernetes.io", "198.51.100.1")),
			want:    []string{"web > outside TCP 443: drops"},
		},
		"names in a Deny rule deny all": {
			text:    "DomainNames is only supported for Accept rules.",
			objects: cnp("a", "Admin", "1", `egress: [{action: Deny, to: [{domainNames: [kubernetes.io]}]}]`),
			want:    []string{"web > outside TCP 443: drops", "web > db TCP 80: drops"},
		},
	}
}
