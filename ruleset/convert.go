// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"errors"
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// ruleConverter converts one rule and collects what it could not understand, so
// that the rule as a whole can fail closed.
type ruleConverter struct {
	problems []Problem
}

// notUnderstood notes a problem in a field.
func (r *ruleConverter) notUnderstood(field, format string, args ...any) {
	r.problems = append(r.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

// finish adds the converted rule to the policy. A rule that was not understood
// matches nothing if it accepts and denies everything otherwise.
func (r *ruleConverter) finish(p *Policy, d Direction, rule Rule) {
	if len(r.problems) == 0 {
		p.Rules[d] = append(p.Rules[d], rule)
		return
	}
	effect := "the rule matches nothing (fail closed)"
	if rule.Action != Accept {
		effect = "the rule denies all traffic of its subject in its direction (fail closed)"
		p.Rules[d] = append(p.Rules[d], Rule{Index: rule.Index, Name: rule.Name, Action: Deny, FailClosed: true})
	}
	for _, problem := range r.problems {
		problem.Message += "; " + effect
		p.Problems = append(p.Problems, problem)
	}
}

// selector converts a label selector; it returns nil and notes the problem if
// that is not valid.
func (r *ruleConverter) selector(field string, s *metav1.LabelSelector) labels.Selector {
	converted, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		r.notUnderstood(field, "is no valid label selector (%v): correct its operator, keys and values", err)
		return nil
	}
	return converted
}

var errMapped = errors.New("an IPv4 block in IPv6 form: write it as IPv4")

// maskedPrefix returns p without host bits.
func maskedPrefix(p netip.Prefix) (netip.Prefix, error) {
	if p.Addr().Is4In6() {
		return netip.Prefix{}, errMapped
	}
	return p.Masked(), nil
}
