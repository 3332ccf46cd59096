// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterNetworkPolicyRuleAction is what a rule does with a connection that it
// matches.
//
// +kubebuilder:validation:Enum=Accept;Deny;Pass
type ClusterNetworkPolicyRuleAction string

const (
	// ClusterNetworkPolicyRuleActionAccept accepts the connection in this
	// direction. It is final: no rule of this or a later tier is evaluated.
	ClusterNetworkPolicyRuleActionAccept ClusterNetworkPolicyRuleAction = "Accept"
	// ClusterNetworkPolicyRuleActionDeny drops the packet. It is final: no rule
	// of this or a later tier is evaluated.
	ClusterNetworkPolicyRuleActionDeny ClusterNetworkPolicyRuleAction = "Deny"
	// ClusterNetworkPolicyRuleActionPass skips the remaining rules of all
	// policies of this tier; the evaluation goes on with the next tier. In the
	// Baseline tier, the last one, it accepts the connection.
	ClusterNetworkPolicyRuleActionPass ClusterNetworkPolicyRuleAction = "Pass"
)

// ClusterNetworkPolicyIngressRule says what to do with connections to the
// subject's pods. It matches a connection if one of its peers is the
// connection's source, and one of its protocols, if it has any, is the
// connection's.
type ClusterNetworkPolicyIngressRule struct {
	// Name identifies the rule for people: in counters, logs and explanations.
	// It need not be unique and has no effect on the evaluation. A rule without a
	// name is called by its position.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Name string `json:"name,omitempty"`

	// Action is what is done with a connection that the rule matches: Accept,
	// Deny, or Pass. Accept and Deny are final. Pass leaves the decision to the
	// next tier.
	//
	// Accept means that this policy has no objection: the packet can still be
	// dropped by others, such as the host's firewall, and a connection from
	// another pod also needs that pod's egress to accept.
	//
	// +required
	Action ClusterNetworkPolicyRuleAction `json:"action"`

	// From are the sources that the rule matches; one match is enough.
	//
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	From []ClusterNetworkPolicyIngressPeer `json:"from"`

	// Protocols are the protocols and destination ports that the rule matches;
	// one match is enough. Absent means all traffic, of every protocol. In an
	// ingress rule a named port is a port of the subject's pod, so it goes with
	// every kind of peer.
	//
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Protocols []ClusterNetworkPolicyProtocol `json:"protocols,omitempty"`
}

// ClusterNetworkPolicyEgressRule says what to do with connections from the
// subject's pods. It matches a connection if one of its peers is the
// connection's destination, and one of its protocols, if it has any, is the
// connection's.
//
// +kubebuilder:validation:XValidation:rule="!has(self.protocols) || !self.protocols.exists(p, has(p.destinationNamedPort)) || !self.to.exists(p, has(p.networks) || has(p.nodes) || has(p.domainNames))",message="destinationNamedPort cannot be used with networks, nodes or domainNames peers, which have no named ports: use a port number, or move the namespaces and pods peers into a rule of their own"
// +kubebuilder:validation:XValidation:rule="self.action == 'Accept' || !self.to.exists(p, has(p.domainNames))",message="domainNames can only be used with action Accept: to allow nothing but some domain names, Accept them, and Deny networks 0.0.0.0/0 and ::/0 in a later rule"
type ClusterNetworkPolicyEgressRule struct {
	// Name identifies the rule for people: in counters, logs and explanations.
	// It need not be unique and has no effect on the evaluation. A rule without a
	// name is called by its position.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Name string `json:"name,omitempty"`

	// Action is what is done with a connection that the rule matches: Accept,
	// Deny, or Pass. Accept and Deny are final. Pass leaves the decision to the
	// next tier.
	//
	// Accept means that this policy has no objection: the packet can still be
	// dropped by others, such as the host's firewall, and a connection to another
	// pod also needs that pod's ingress to accept.
	//
	// +required
	Action ClusterNetworkPolicyRuleAction `json:"action"`

	// To are the destinations that the rule matches; one match is enough.
	//
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	To []ClusterNetworkPolicyEgressPeer `json:"to"`

	// Protocols are the protocols and destination ports that the rule matches;
	// one match is enough. Absent means all traffic, of every protocol. In an
	// egress rule a named port is a port of the destination pod, so it cannot be
	// used with networks, nodes or domainNames peers.
	//
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Protocols []ClusterNetworkPolicyProtocol `json:"protocols,omitempty"`
}

// ClusterNetworkPolicyIngressPeer is a source of connections. Exactly one field
// must be set. A peer in which no field that this version knows is set makes its
// rule fail closed.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type ClusterNetworkPolicyIngressPeer struct {
	// Namespaces selects all pods of the namespaces whose labels match, except
	// those with hostNetwork. The empty selector {} selects all namespaces.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`

	// Pods selects pods by the labels of the pod, of its namespace and of its
	// node.
	//
	// +optional
	Pods *NamespacedPod `json:"pods,omitempty"`

	// Nodes selects nodes by their labels. The empty selector {} selects all
	// nodes. It matches the addresses in the node's status.addresses, and those
	// that the node's host uses towards pods: the first address of each of its
	// spec.podCIDRs. Traffic of pods with hostNetwork comes from those addresses.
	// Traffic from the subject pod's own node is never evaluated.
	//
	// policy.networking.k8s.io/v1alpha2 has this field in egress only.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	Nodes *metav1.LabelSelector `json:"nodes,omitempty"`

	// Networks are address blocks. They match every address in them, those of
	// pods and nodes too: 0.0.0.0/0 and ::/0 together match everything. To
	// exclude pods, Pass or Accept them in an earlier rule with the peer
	// "namespaces: {}". The blocks may overlap.
	//
	// The source address is the one that the subject's node sees: for connections
	// from outside it is often a node's or a load balancer's.
	//
	// policy.networking.k8s.io/v1alpha2 has this field in egress only.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Networks []CIDR `json:"networks,omitempty"`
}

// ClusterNetworkPolicyEgressPeer is a destination of connections. Exactly one
// field must be set. A peer in which no field that this version knows is set
// makes its rule fail closed.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type ClusterNetworkPolicyEgressPeer struct {
	// Namespaces selects all pods of the namespaces whose labels match, except
	// those with hostNetwork. The empty selector {} selects all namespaces.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`

	// Pods selects pods by the labels of the pod, of its namespace and of its
	// node.
	//
	// +optional
	Pods *NamespacedPod `json:"pods,omitempty"`

	// Nodes selects nodes by their labels. The empty selector {} selects all
	// nodes. It matches the addresses in the node's status.addresses, and those
	// that the node's host uses towards pods: the first address of each of its
	// spec.podCIDRs. The API server and other pods with hostNetwork are reached at
	// these addresses.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	Nodes *metav1.LabelSelector `json:"nodes,omitempty"`

	// Networks are address blocks. They match every address in them, those of
	// pods and nodes too: 0.0.0.0/0 and ::/0 together match everything. To
	// exclude pods, Pass or Accept them in an earlier rule with the peer
	// "namespaces: {}". The blocks may overlap.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Networks []CIDR `json:"networks,omitempty"`

	// DomainNames are names of destinations. They match the addresses that the
	// cluster's DNS gave for them to pods of the subject. They can be used with
	// action Accept only, and do not by themselves accept the DNS queries. To
	// allow nothing but some names, Deny all other destinations in a later rule.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	DomainNames []DomainName `json:"domainNames,omitempty"`
}

// CIDR is a block of IPv4 or IPv6 addresses, such as 10.0.0.0/8 or fd00::/8. A
// single address is written with /32 or /128. Bits after the prefix have no
// meaning: 10.1.2.3/8 is 10.0.0.0/8.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="not an address block in CIDR notation: write for example 10.0.0.0/8, 192.0.2.7/32, or fd00::/8"
type CIDR string

// DomainName is a domain name, or a wildcard for the names below one. Upper and
// lower case are equal, and a dot at the end has no meaning.
//
//   - kubernetes.io matches kubernetes.io only.
//   - *.kubernetes.io matches blog.kubernetes.io and latest.blog.kubernetes.io,
//     and does not match kubernetes.io: the wildcard stands for one or more whole
//     labels. It can only be the first label.
//
// A name has at least two labels, each of at most 63 letters, digits, "-" and
// "_", that begins and ends with a letter or digit.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:Pattern=`^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?\.?$`
// +kubebuilder:validation:XValidation:rule="self.contains('.') && self.lastIndexOf('*') <= 0 && !self.contains('/') && !self.contains(':')",message="not a domain name: write at least two labels without scheme, path and port, for example example.com, or *.example.com for the names below it"
type DomainName string
