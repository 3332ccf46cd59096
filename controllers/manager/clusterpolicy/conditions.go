// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/problems"
	"github.com/tierwall/tierwall/ruleset"
)

// maxRivals bounds how many other policies a message names.
const maxRivals = 10

// conditions says what Tierwall makes of a policy; rivals are the others of
// equal rank. The same input gives the same conditions.
func conditions(p *ruleset.Policy, rivals []ruleset.PolicyKey, generation int64) []metav1.Condition {
	both := []metav1.Condition{accepted(p), priorityConflict(p, rivals)}
	for i := range both {
		both[i].ObservedGeneration = generation
	}
	return both
}

func accepted(p *ruleset.Policy) metav1.Condition {
	if len(p.Problems) == 0 {
		return metav1.Condition{
			Type:    v1alpha1.ConditionAccepted,
			Status:  metav1.ConditionTrue,
			Reason:  v1alpha1.ReasonAccepted,
			Message: "Every rule is understood, and enforced as it is written.",
		}
	}
	return metav1.Condition{
		Type:    v1alpha1.ConditionAccepted,
		Status:  metav1.ConditionFalse,
		Reason:  v1alpha1.ReasonInvalidField,
		Message: problems.Message(p.Problems),
	}
}

func priorityConflict(p *ruleset.Policy, rivals []ruleset.PolicyKey) metav1.Condition {
	if len(rivals) == 0 {
		return metav1.Condition{
			Type:    v1alpha1.ConditionPriorityConflict,
			Status:  metav1.ConditionFalse,
			Reason:  v1alpha1.ReasonPriorityUnique,
			Message: fmt.Sprintf("No other ClusterNetworkPolicy has priority %d in tier %s.", p.Priority, p.Tier),
		}
	}
	return metav1.Condition{
		Type:   v1alpha1.ConditionPriorityConflict,
		Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonSamePriority,
		Message: fmt.Sprintf("Priority %d in tier %s is also that of %s. They are evaluated in the order of their names; give each a priority of its own to choose the order.",
			p.Priority, p.Tier, names(rivals)),
	}
}

// names lists policies, sorted and bounded.
func names(keys []ruleset.PolicyKey) string {
	sorted := slices.SortedFunc(slices.Values(keys), ruleset.PolicyKey.Compare)
	var shown []string
	for _, k := range sorted[:min(len(sorted), maxRivals)] {
		shown = append(shown, k.String())
	}
	list := strings.Join(shown, ", ")
	if more := len(sorted) - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
