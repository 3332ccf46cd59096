// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the policy.tierwall.io/v1alpha1 API.
//
// The comments on the types are the specification of the API: they say what
// every field means, in which order things are evaluated, what an absent and an
// empty value mean, and what happens with a value that a version of Tierwall
// does not understand. The API server shows them in `kubectl explain`.
//
// ClusterNetworkPolicy has the field names and the meaning of the kind of the
// same name in policy.networking.k8s.io/v1alpha2, wherever that kind has the
// field. A manifest of that kind becomes one of this kind by changing its
// apiVersion.
//
// +kubebuilder:object:generate=true
// +groupName=policy.tierwall.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every kind in this package.
	GroupVersion = schema.GroupVersion{Group: "policy.tierwall.io", Version: "v1alpha1"}

	// SchemeBuilder collects the functions that register this package's kinds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers this package's kinds with a scheme. It may be called
	// more than once with the same scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

// addKnownTypes registers every kind of this package with the scheme.
func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &ClusterNetworkPolicy{}, &ClusterNetworkPolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
