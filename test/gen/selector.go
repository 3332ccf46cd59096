// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// selector draws a selector: often empty, seldom not valid.
func selector(t *rapid.T) metav1.LabelSelector {
	var s metav1.LabelSelector
	for range pick(t, "matchLabels", 0, 0, 1, 1, 2) {
		if s.MatchLabels == nil {
			s.MatchLabels = map[string]string{}
		}
		s.MatchLabels[pick(t, "key", labelKeys()...)] = pick(t, "value", labelValues()...)
	}
	s.MatchExpressions = listOf(t, "matchExpressions", 0, pick(t, "most", 0, 0, 2), requirement)
	if chance(t, 2, "not valid") {
		s.MatchExpressions = append(s.MatchExpressions, invalidRequirement(t))
	}
	return s
}

func selectorPointer(t *rapid.T) *metav1.LabelSelector {
	s := selector(t)
	return &s
}

func requirement(t *rapid.T) metav1.LabelSelectorRequirement {
	r := metav1.LabelSelectorRequirement{
		Key: pick(t, "key", append(labelKeys(), "kubernetes.io/metadata.name")...),
		Operator: pick(t, "operator", metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
			metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist),
	}
	if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
		r.Values = rapid.SliceOfN(rapid.SampledFrom(append(labelValues(), namespaceNames()...)), 1, 3).Draw(t, "values")
	}
	return r
}

func invalidRequirement(t *rapid.T) metav1.LabelSelectorRequirement {
	return pick(t, "requirement",
		metav1.LabelSelectorRequirement{Key: "app", Operator: "Near", Values: []string{"x"}},
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpIn},
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{}},
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpExists, Values: []string{"x"}},
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpDoesNotExist, Values: []string{"x"}},
		metav1.LabelSelectorRequirement{Key: "a b", Operator: metav1.LabelSelectorOpExists},
		metav1.LabelSelectorRequirement{Key: "", Operator: metav1.LabelSelectorOpExists},
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"x", "-y-"}},
	)
}
