// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ClusterNetworkPolicyProtocol matches a transport protocol and its destination
// port. Exactly one field must be set. An entry in which no field that this
// version knows is set makes its rule fail closed.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type ClusterNetworkPolicyProtocol struct {
	// TCP matches TCP connections.
	//
	// +optional
	TCP *ClusterNetworkPolicyProtocolTCP `json:"tcp,omitempty"`

	// UDP matches UDP packets.
	//
	// +optional
	UDP *ClusterNetworkPolicyProtocolUDP `json:"udp,omitempty"`

	// SCTP matches SCTP associations.
	//
	// +optional
	SCTP *ClusterNetworkPolicyProtocolSCTP `json:"sctp,omitempty"`

	// DestinationNamedPort matches the protocol and number of the container ports
	// of the destination pod that have this name. It is resolved for each pod on
	// its own; it matches nothing at a pod that has no port of this name.
	//
	// In an egress rule the destination is the peer, so it cannot be used with
	// networks, nodes or domainNames peers. In an ingress rule it is the subject's
	// pod.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.matches('[a-z]')",message="not a name that a container port can have: write at most 15 lower case letters, digits and single -, with at least one letter; for a number use tcp, udp or sctp"
	DestinationNamedPort string `json:"destinationNamedPort,omitempty"`
}

// ClusterNetworkPolicyProtocolTCP matches TCP connections.
//
// +kubebuilder:validation:MinProperties=1
type ClusterNetworkPolicyProtocolTCP struct {
	// DestinationPort is the port, or range of ports, of the destination. To
	// match all TCP connections, use the range from 1 to 65535.
	//
	// +optional
	DestinationPort *Port `json:"destinationPort,omitempty"`
}

// ClusterNetworkPolicyProtocolUDP matches UDP packets.
//
// +kubebuilder:validation:MinProperties=1
type ClusterNetworkPolicyProtocolUDP struct {
	// DestinationPort is the port, or range of ports, of the destination. To
	// match all UDP packets, use the range from 1 to 65535.
	//
	// +optional
	DestinationPort *Port `json:"destinationPort,omitempty"`
}

// ClusterNetworkPolicyProtocolSCTP matches SCTP associations.
//
// +kubebuilder:validation:MinProperties=1
type ClusterNetworkPolicyProtocolSCTP struct {
	// DestinationPort is the port, or range of ports, of the destination. To
	// match all SCTP associations, use the range from 1 to 65535.
	//
	// +optional
	DestinationPort *Port `json:"destinationPort,omitempty"`
}

// Port matches port numbers. Exactly one field must be set.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type Port struct {
	// Number is a single port.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Number int32 `json:"number,omitempty"`

	// Range is a range of ports.
	//
	// +optional
	Range *PortRange `json:"range,omitempty"`
}

// PortRange is the ports from Start to End, both included. Ranges may overlap
// with other ports and ranges of the rule.
//
// +kubebuilder:validation:XValidation:rule="self.start < self.end",message="start must be less than end: for a single port use number instead of range"
type PortRange struct {
	// Start is the first port of the range. It must be less than end.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Start int32 `json:"start"`

	// End is the last port of the range. It must be greater than start.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	End int32 `json:"end"`
}
