// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// matches evaluates a selector. "A null label selector matches no objects", an
// empty one all.
func matches(selector *metav1.LabelSelector, labels map[string]string) bool {
	if selector == nil {
		return false
	}
	for key, value := range selector.MatchLabels {
		if actual, ok := labels[key]; !ok || actual != value {
			return false
		}
	}
	for _, e := range selector.MatchExpressions {
		if !matchesExpression(e, labels) {
			return false
		}
	}
	return true
}

func matchesExpression(e metav1.LabelSelectorRequirement, labels map[string]string) bool {
	value, has := labels[e.Key]
	switch e.Operator {
	case metav1.LabelSelectorOpIn:
		return has && slices.Contains(e.Values, value)
	case metav1.LabelSelectorOpNotIn:
		return !has || !slices.Contains(e.Values, value)
	case metav1.LabelSelectorOpExists:
		return has
	case metav1.LabelSelectorOpDoesNotExist:
		return !has
	default:
		panic("a selector that is not valid must not be evaluated")
	}
}

// validSelector reports whether a selector means anything; nil is valid.
func validSelector(selector *metav1.LabelSelector) bool {
	if selector == nil {
		return true
	}
	for key, value := range selector.MatchLabels {
		if !validKey(key) || !validValue(value) {
			return false
		}
	}
	return !slices.ContainsFunc(selector.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool {
		return !validExpression(e)
	})
}

func validExpression(e metav1.LabelSelectorRequirement) bool {
	if !validKey(e.Key) {
		return false
	}
	switch e.Operator {
	case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
		invalid := func(v string) bool { return !validValue(v) }
		return len(e.Values) > 0 && !slices.ContainsFunc(e.Values, invalid)
	case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
		return len(e.Values) == 0
	default:
		return false
	}
}

func validKey(key string) bool     { return len(validation.IsQualifiedName(key)) == 0 }
func validValue(value string) bool { return len(validation.IsValidLabelValue(value)) == 0 }
