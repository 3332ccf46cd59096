// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/ruleset"
)

func TestConditions(t *testing.T) {
	fine := metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, ObservedGeneration: 3, Reason: v1alpha1.ReasonAccepted,
		Message: "Every rule is understood, and enforced as it is written.",
	}
	unique := metav1.Condition{
		Type: v1alpha1.ConditionPriorityConflict, Status: metav1.ConditionFalse, ObservedGeneration: 3, Reason: v1alpha1.ReasonPriorityUnique,
		Message: "No other ClusterNetworkPolicy has priority 7 in tier Baseline.",
	}
	key := func(kind ruleset.PolicyKind, name string) ruleset.PolicyKey {
		return ruleset.PolicyKey{Kind: kind, Name: name}
	}
	for name, tt := range map[string]struct {
		problems []ruleset.Problem
		rivals   []ruleset.PolicyKey
		want     []metav1.Condition
	}{
		"nothing to tell": {want: []metav1.Condition{fine, unique}},
		"a problem": {
			problems: []ruleset.Problem{{Field: "spec.subject", Message: "is of no known kind"}},
			want: []metav1.Condition{{
				Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse, ObservedGeneration: 3, Reason: v1alpha1.ReasonInvalidField,
				Message: "spec.subject: is of no known kind",
			}, unique},
		},
		"rivals of both kinds, in any order": {
			rivals: []ruleset.PolicyKey{key(ruleset.KindUpstream, "b"), key(ruleset.KindTierwall, "b"), key(ruleset.KindUpstream, "a")},
			want: []metav1.Condition{fine, {
				Type: v1alpha1.ConditionPriorityConflict, Status: metav1.ConditionTrue, ObservedGeneration: 3, Reason: v1alpha1.ReasonSamePriority,
				Message: "Priority 7 in tier Baseline is also that of cnp/a, tcnp/b, cnp/b. They are evaluated in the order of their names; give each a priority of its own to choose the order.",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &ruleset.Policy{Key: key(ruleset.KindTierwall, "p"), Tier: ruleset.Baseline, Priority: 7, Problems: tt.problems}
			if diff := cmp.Diff(tt.want, conditions(p, tt.rivals, 3)); diff != "" {
				t.Errorf("unexpected conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConflictsAreBounded(t *testing.T) {
	var rivals []ruleset.PolicyKey
	for i := range 1000 {
		rivals = append(rivals, ruleset.PolicyKey{Name: fmt.Sprintf("policy-%03d", i)})
	}
	got := conditions(&ruleset.Policy{}, rivals, 1)[1].Message
	if !strings.Contains(got, "tcnp/policy-009 and 990 more.") {
		t.Errorf("message %q is not bounded", got)
	}
}
