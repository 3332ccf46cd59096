// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterNetworkPolicy decides, for the whole cluster, which connections of the
// pods it selects are accepted. It is written by cluster administrators; a
// networking.k8s.io/v1 NetworkPolicy cannot override one in the Admin tier, and
// does override one in the Baseline tier.
//
// # What is evaluated
//
// The first packet of each connection is evaluated: its egress, by the rules for
// its source pod, on that pod's node; and its ingress, by the rules for its
// destination pod, on that pod's node. A connection between two pods needs both
// to accept. Replies, and ICMP errors that belong to a connection, follow the
// connection. A connection that is established when a policy changes goes on.
//
// Addresses and ports are matched after destination NAT and before source NAT: a
// connection to a Service is matched by the pod and the pod's port that were
// chosen for it, never by the Service's ClusterIP, node port or port number.
//
// # Order
//
// Each direction is decided on its own. The first of these that matches decides:
//
//  1. Admin tier: the rules of the policies that select the pod, by priority
//     (lowest first), then by the policy's name, then in the order in which the
//     policy lists its rules. Accept and Deny are final. Pass goes on with the
//     next tier.
//  2. NetworkPolicy tier: if any NetworkPolicy selects the pod for this
//     direction, the connection is accepted if a rule of one of them matches it,
//     and denied otherwise. Both are final.
//  3. Baseline tier: as the Admin tier. Pass ends the tier.
//  4. Otherwise the connection is accepted.
//
// Policies of this kind and of policy.networking.k8s.io/v1alpha2
// ClusterNetworkPolicy are in the same tiers and share one order of priorities.
//
// # What is never evaluated
//
//   - traffic between a pod and itself, also through a Service
//   - traffic from a pod's own node to the pod, such as kubelet probes
//   - traffic of pods with hostNetwork: they are neither subjects nor matched by
//     peers that select pods; their addresses are their node's
//   - IPv6 neighbour discovery and multicast listener discovery
//
// # Fail closed
//
// A rule that holds a value which the running version of Tierwall cannot
// understand, for example a kind of peer that a newer CRD has, fails closed as a
// whole, also if its other peers are understood: if its action is Accept, it
// matches nothing; if it is Deny, Pass, or not understood either, the rule
// becomes a Deny of all traffic in its direction. The condition Accepted names
// the field. The other rules of the policy and other policies are not affected.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=tcnp,categories=policies
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=".spec.tier"
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=".spec.priority"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type ClusterNetworkPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the policy's author wants.
	//
	// +required
	Spec ClusterNetworkPolicySpec `json:"spec"`

	// Status is written by Tierwall's manager. Enforcement does not read it.
	//
	// +optional
	Status ClusterNetworkPolicyStatus `json:"status,omitempty"`
}

// ClusterNetworkPolicyList is a list of ClusterNetworkPolicy.
//
// +kubebuilder:object:root=true
type ClusterNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterNetworkPolicy `json:"items"`
}

// ClusterNetworkPolicySpec is the desired state of a ClusterNetworkPolicy.
type ClusterNetworkPolicySpec struct {
	// Tier is the group of policies that this policy is evaluated in. The tiers
	// are evaluated in the order Admin, NetworkPolicy, Baseline.
	//
	// Admin is evaluated before all NetworkPolicies: its Accept and Deny cannot be
	// overridden by them, and its Pass leaves the decision to them.
	//
	// Baseline is evaluated last, and only for a pod and a direction for which no
	// NetworkPolicy selects the pod: it holds the defaults that an application's
	// developers override by writing a NetworkPolicy.
	//
	// +required
	Tier Tier `json:"tier"`

	// Priority orders the policies of a tier: the policy with the lower value is
	// evaluated first. Between policies of one tier with the same priority the
	// order is that of their names, compared byte by byte; between two policies of
	// the same name, one of this kind and one of policy.networking.k8s.io, the
	// one of this kind comes first. Use a priority once in each
	// tier: the condition PriorityConflict names the policies that share one.
	//
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Priority int32 `json:"priority"`

	// Subject selects the pods that the policy applies to.
	//
	// +required
	Subject ClusterNetworkPolicySubject `json:"subject"`

	// Ingress is the list of rules for connections to the subject's pods. The
	// first rule that matches a connection decides; a rule further up takes
	// precedence. Absent and empty mean the same: the policy does not affect
	// ingress.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=25
	Ingress []ClusterNetworkPolicyIngressRule `json:"ingress,omitempty"`

	// Egress is the list of rules for connections from the subject's pods. The
	// first rule that matches a connection decides; a rule further up takes
	// precedence. Absent and empty mean the same: the policy does not affect
	// egress.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=25
	Egress []ClusterNetworkPolicyEgressRule `json:"egress,omitempty"`
}

// Tier is an ordered group of policies.
//
// +kubebuilder:validation:Enum=Admin;Baseline
type Tier string

const (
	// AdminTier is evaluated before the NetworkPolicy tier.
	AdminTier Tier = "Admin"
	// BaselineTier is evaluated after the NetworkPolicy tier.
	BaselineTier Tier = "Baseline"
)

// ClusterNetworkPolicySubject selects the pods that a policy applies to. Exactly
// one field must be set. Pods with hostNetwork are never selected. A policy whose
// subject cannot be understood applies to no pod.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type ClusterNetworkPolicySubject struct {
	// Namespaces selects all pods of the namespaces whose labels match. The empty
	// selector {} selects all namespaces.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`

	// Pods selects pods by the labels of the pod, of its namespace and of its
	// node.
	//
	// +optional
	Pods *NamespacedPod `json:"pods,omitempty"`
}

// NamespacedPod selects the pods that match all of its selectors. Pods with
// hostNetwork are never selected, nor are pods that have ended (phase Succeeded
// or Failed): their addresses are not theirs any more.
type NamespacedPod struct {
	// NamespaceSelector selects by the labels of the pod's namespace. Absent and
	// the empty selector {} mean the same: all namespaces.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`

	// PodSelector selects by the labels of the pod. The empty selector {} selects
	// all pods.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	PodSelector metav1.LabelSelector `json:"podSelector"`

	// NodeSelector selects by the labels of the node that the pod runs on: "pods
	// on nodes labelled so". Absent means any node. The empty selector {} selects
	// pods on all nodes that exist in the API. A change of a node's labels takes
	// effect on the pods that run there.
	//
	// policy.networking.k8s.io/v1alpha2 does not have this field.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64)",message="a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// ClusterNetworkPolicyStatus is the observed state of a ClusterNetworkPolicy.
type ClusterNetworkPolicyStatus struct {
	// Conditions are what the manager found out about the policy: Accepted and
	// PriorityConflict. Each condition's observedGeneration is the generation of
	// the policy that it speaks of.
	//
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}
