// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// The types of the conditions in ClusterNetworkPolicyStatus. The manager writes
// the same types on policies of policy.networking.k8s.io/v1alpha2.
const (
	// ConditionAccepted tells whether every rule of the policy means to this
	// version of Tierwall what its author wrote. It is True with
	// ReasonAccepted. It is False with one of the other reasons when at least one
	// rule is treated differently; the message names the field, what is done
	// instead, and the remedy. The policy's other rules are enforced as written
	// either way.
	//
	// It says nothing about nodes: an agent enforces a policy as soon as it sees
	// it, before and without this condition.
	ConditionAccepted = "Accepted"

	// ConditionPriorityConflict is True when another ClusterNetworkPolicy, of
	// policy.tierwall.io or of policy.networking.k8s.io, has the same tier and
	// the same priority. All of them are enforced, in the order that the field
	// priority describes; the message names the others. It is False with
	// ReasonPriorityUnique when there is no such policy.
	ConditionPriorityConflict = "PriorityConflict"
)

// The reasons of ConditionAccepted.
const (
	// ReasonAccepted is the reason of Accepted=True.
	ReasonAccepted = "Accepted"

	// ReasonInvalidField is the reason of Accepted=False: a rule, or the subject,
	// holds a value that this version cannot understand. The rule fails closed; a
	// policy whose subject cannot be understood selects no pod. This happens when
	// the installed CRD is newer than Tierwall, or accepts what Tierwall cannot
	// use. The message names the field, for example "spec.egress[2].to[0]".
	ReasonInvalidField = "InvalidField"
)

// The reasons of ConditionPriorityConflict.
const (
	// ReasonSamePriority is the reason of PriorityConflict=True.
	ReasonSamePriority = "SamePriority"

	// ReasonPriorityUnique is the reason of PriorityConflict=False.
	ReasonPriorityUnique = "PriorityUnique"
)
