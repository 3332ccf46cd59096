// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"fmt"
)

// Direction says on whose behalf traffic is judged: the pod that sends it
// (Egress) or the pod that receives it (Ingress).
type Direction uint8

// The two directions.
const (
	Ingress Direction = iota
	Egress
)

// String returns "Ingress" or "Egress".
func (d Direction) String() string {
	if d == Egress {
		return "Egress"
	}
	return "Ingress"
}

// Tier is an ordered group of policies. Tiers are evaluated in the order of
// their values.
type Tier uint8

// The tiers, in the order of evaluation.
const (
	Admin Tier = iota
	NetworkPolicy
	Baseline
	// TierCount is the number of tiers, for arrays indexed by Tier.
	TierCount
)

// String returns the tier's name as the API spells it.
func (t Tier) String() string {
	switch t {
	case Admin:
		return "Admin"
	case NetworkPolicy:
		return "NetworkPolicy"
	case Baseline:
		return "Baseline"
	default:
		return fmt.Sprintf("Tier(%d)", uint8(t))
	}
}

// Action is what a rule does with the traffic it matches.
type Action uint8

// The actions. The zero value is no action, so that a forgotten one shows.
const (
	// Accept lets the traffic through; no later tier is asked.
	Accept Action = iota + 1
	// Deny drops the traffic; no later tier is asked.
	Deny
	// Pass leaves the decision to the next tier.
	Pass
)

// String returns the action's name as the API spells it.
func (a Action) String() string {
	switch a {
	case Accept:
		return "Accept"
	case Deny:
		return "Deny"
	case Pass:
		return "Pass"
	default:
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
}

// Protocol is an IP protocol number (IANA "Protocol Numbers").
type Protocol uint8

// The protocols that have ports policies can name. AnyProtocol stands for
// every protocol, those without ports included.
const (
	AnyProtocol Protocol = 0
	TCP         Protocol = 6
	UDP         Protocol = 17
	SCTP        Protocol = 132
)

// PortProtocols returns the protocols whose ports policies can match.
func PortProtocols() [3]Protocol { return [3]Protocol{TCP, UDP, SCTP} }

// String returns the protocol's name, or its number if it has none here.
func (p Protocol) String() string {
	switch p {
	case AnyProtocol:
		return "any"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case SCTP:
		return "SCTP"
	default:
		return fmt.Sprintf("%d", uint8(p))
	}
}

// PolicyKind tells the three sources of policy apart.
type PolicyKind uint8

// The policy kinds.
const (
	// KindTierwall is policy.tierwall.io/v1alpha1 ClusterNetworkPolicy.
	KindTierwall PolicyKind = iota
	// KindUpstream is policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy.
	KindUpstream
	// KindNetworkPolicy is networking.k8s.io/v1 NetworkPolicy.
	KindNetworkPolicy
)

// String returns the kind's kubectl short name: tcnp, cnp or netpol.
func (k PolicyKind) String() string {
	switch k {
	case KindTierwall:
		return "tcnp"
	case KindUpstream:
		return "cnp"
	case KindNetworkPolicy:
		return "netpol"
	default:
		return fmt.Sprintf("PolicyKind(%d)", uint8(k))
	}
}

// PolicyKey names one policy object. Namespace is empty for cluster-scoped
// kinds.
type PolicyKey struct {
	Kind            PolicyKind
	Namespace, Name string
}

// String returns the key as kubectl would take it: "tcnp/deny-metadata" or
// "netpol/shop/allow-web".
func (k PolicyKey) String() string {
	if k.Namespace == "" {
		return k.Kind.String() + "/" + k.Name
	}
	return k.Kind.String() + "/" + k.Namespace + "/" + k.Name
}

// Compare orders keys by name, then namespace, then kind: the order among
// policies of equal priority.
func (k PolicyKey) Compare(other PolicyKey) int {
	return cmp.Or(
		cmp.Compare(k.Name, other.Name),
		cmp.Compare(k.Namespace, other.Namespace),
		cmp.Compare(k.Kind, other.Kind),
	)
}
