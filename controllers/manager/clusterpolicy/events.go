// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/problems"
)

// tell records an event if a condition of the object turned bad, tells
// something else than it did, or turned good again.
func (r *reconciler) tell(o client.Object, last *metav1.Condition, now metav1.Condition) {
	wasGood, isGood := last == nil || good(*last), good(now)
	if wasGood && isGood || !isGood && last != nil && last.Message == now.Message {
		return
	}
	kind := corev1.EventTypeWarning
	if isGood {
		kind = corev1.EventTypeNormal
	}
	r.recorder.Eventf(o, nil, kind, now.Reason, "Validate", "%s", problems.Note(now.Message))
}

// good tells whether the author of a policy has nothing to do about it.
func good(c metav1.Condition) bool {
	if c.Type == v1alpha1.ConditionPriorityConflict {
		return c.Status == metav1.ConditionFalse
	}
	return c.Status == metav1.ConditionTrue
}
