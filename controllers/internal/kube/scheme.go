// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kube says which Kubernetes kinds Tierwall reads, how they are
// addressed, and how to tell whether upstream's optional kind is served.
package kube

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// NewScheme returns a scheme with every kind that Tierwall reads or writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme,
		apiextensionsv1.AddToScheme,
		npav1alpha2.Install,
		v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API kinds: %w", err)
		}
	}
	return scheme, nil
}

// NewMapper returns a mapper for the kinds that an agent reads. It is fixed, so
// that an agent asks the API server for nothing but its inputs when it starts,
// and knows upstream's kind before the API server does.
func NewMapper() meta.RESTMapper {
	upstream := schema.GroupVersion{Group: npav1alpha2.GroupVersion.Group, Version: npav1alpha2.GroupVersion.Version}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	mapper.Add(networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), meta.RESTScopeNamespace)
	mapper.Add(v1alpha1.GroupVersion.WithKind("ClusterNetworkPolicy"), meta.RESTScopeRoot)
	mapper.Add(upstream.WithKind("ClusterNetworkPolicy"), meta.RESTScopeRoot)
	mapper.Add(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), meta.RESTScopeRoot)
	return mapper
}
