// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner owns the conditions that agents write. By server-side apply those of
// the kubelet and of others are left alone, and those that a later version does
// not have any more go away.
const fieldOwner = client.FieldOwner("tierwall-agent")

// podStatus is the status of the agent's pod at the API server.
type podStatus struct {
	client client.Client
	pod    types.NamespacedName
}

// read asks for a list of one, because agents may list pods and not get them.
func (s podStatus) read(ctx context.Context) (types.UID, []metav1.Condition, error) {
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, client.InNamespace(s.pod.Namespace), client.MatchingFields{"metadata.name": s.pod.Name}); err != nil {
		return "", nil, fmt.Errorf("reading the agent's pod %s: %w", s.pod, err)
	}
	if len(pods.Items) != 1 {
		return "", nil, fmt.Errorf("there is no pod %s: set POD_NAMESPACE and POD_NAME to the pod that the agent runs in, or unset both", s.pod)
	}
	var conditions []metav1.Condition
	for _, c := range pods.Items[0].Status.Conditions {
		conditions = append(conditions, metav1.Condition{
			Type: string(c.Type), Status: metav1.ConditionStatus(c.Status), Reason: c.Reason, Message: c.Message, LastTransitionTime: c.LastTransitionTime,
		})
	}
	return pods.Items[0].UID, conditions, nil
}

// write applies the conditions; the fields of a metav1.Condition are called as a
// pod's.
func (s podStatus) write(ctx context.Context, uid types.UID, conditions []metav1.Condition) error {
	var own []any
	for _, c := range conditions {
		u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&c)
		if err != nil {
			return fmt.Errorf("encoding condition %s: %w", c.Type, err)
		}
		own = append(own, u)
	}
	patch := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata":   map[string]any{"namespace": s.pod.Namespace, "name": s.pod.Name, "uid": string(uid)},
		"status":     map[string]any{"conditions": own},
	}}
	err := s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(patch), fieldOwner, client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("writing conditions of the agent's pod %s: %w", s.pod, err)
	}
	return nil
}
