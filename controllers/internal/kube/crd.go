// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// UpstreamCRD is the name of the CustomResourceDefinition of upstream's
// ClusterNetworkPolicy, which a cluster may or may not have.
const UpstreamCRD = "clusternetworkpolicies.policy.networking.k8s.io"

// Served reports whether the API server serves upstream's ClusterNetworkPolicy
// in the version that Tierwall reads, given its CustomResourceDefinition.
func Served(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return established(crd) && slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == npav1alpha2.GroupVersion.Version && v.Served
	})
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}
