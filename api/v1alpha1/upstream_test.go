// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/network-policy-api/conformance"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

func describeUpstreamManifests(server *apiServer) {
	Describe("Manifests of policy.networking.k8s.io", func() {
		for name, manifest := range upstreamManifests() {
			It("are accepted unchanged and with our apiVersion: "+name, func(ctx SpecContext) {
				Expect(server.check(ctx, manifest, false)).To(Succeed())
				ours := manifest.DeepCopy()
				ours.SetAPIVersion(v1alpha1.GroupVersion.String())
				Expect(server.check(ctx, ours, false)).To(Succeed())
			})
		}
	})
}

// upstreamManifests reads the ClusterNetworkPolicies of upstream's conformance
// suite, by file and name.
func upstreamManifests() map[string]*unstructured.Unstructured {
	found := map[string]*unstructured.Unstructured{}
	files, err := fs.Glob(conformance.Manifests, "base/*/*.yaml")
	for _, file := range files {
		content, readErr := fs.ReadFile(conformance.Manifests, file)
		// The suite fills in ports, in ascending order.
		content = regexp.MustCompile(`\{\{ index \.HostNetworkPorts (\d) \}\}`).ReplaceAll(content, []byte("3636$1"))
		policies, parseErr := readPolicies(content, npav1alpha2.GroupVersion.String())
		for _, policy := range policies {
			found[file+" "+policy.GetName()] = policy
		}
		err = errors.Join(err, readErr, parseErr)
	}
	if err != nil || len(found) == 0 {
		panic(fmt.Sprintf("read the manifests of upstream's conformance suite: %d found, error %v", len(found), err))
	}
	return found
}

// TestShapeIsUpstreams fails when upstream has a field that our type lacks, or
// has with another JSON name or type.
func TestShapeIsUpstreams(t *testing.T) {
	compareShape(t, "spec", reflect.TypeFor[npav1alpha2.ClusterNetworkPolicySpec](), reflect.TypeFor[v1alpha1.ClusterNetworkPolicySpec]())
}

func compareShape(t *testing.T, path string, upstream, ours reflect.Type) {
	t.Helper()
	if upstream.Kind() != ours.Kind() {
		t.Errorf("%s: upstream has a %s, ours is a %s", path, upstream.Kind(), ours.Kind())
		return
	}
	switch upstream.Kind() {
	case reflect.Pointer, reflect.Slice:
		compareShape(t, path, upstream.Elem(), ours.Elem())
	case reflect.Struct:
		for i := range upstream.NumField() {
			compareField(t, path, upstream.Field(i), ours)
		}
	default:
	}
}

func compareField(t *testing.T, path string, upstream reflect.StructField, ours reflect.Type) {
	t.Helper()
	path += "." + upstream.Name
	field, ok := ours.FieldByName(upstream.Name)
	if !ok {
		t.Errorf("%s: upstream has this field, ours does not", path)
		return
	}
	if want, have := upstream.Tag.Get("json"), field.Tag.Get("json"); want != have {
		t.Errorf("%s: JSON tag: upstream %q, ours %q", path, want, have)
	}
	compareShape(t, path, upstream.Type, field.Type)
}
