// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/cluster"
)

const (
	crd         = "clusternetworkpolicies.policy.networking.k8s.io"
	upstreamAPI = "sigs.k8s.io/network-policy-api"
)

// installUpstreamKind installs or changes the CustomResourceDefinition of
// upstream's ClusterNetworkPolicy to that of a release channel, from the same
// module as the suite.
func installUpstreamKind(t *testing.T, c *cluster.Cluster, channel string) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", upstreamAPI).Output()
	if err != nil {
		t.Fatalf("find module %s: %v", upstreamAPI, err)
	}
	manifest := filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", channel,
		"policy.networking.k8s.io_clusternetworkpolicies.yaml")
	// The definition is too long for the annotation of a client-side apply.
	for _, command := range [][]string{
		{"apply", "--server-side", "-f", manifest},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/" + crd},
	} {
		if _, err := c.Kubectl(t.Context(), command...); err != nil {
			t.Fatal(err)
		}
	}
}

// asTierwall lets the suite, which speaks of upstream's ClusterNetworkPolicy
// only, write and read Tierwall's instead: the same object under another
// apiVersion. All other kinds pass unchanged. It knows the calls that the suite
// makes; others would reach the API server with upstream's kind, which the
// cluster does not have.
func asTierwall(c client.WithWatch) client.Client {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return translated(c, obj, func(obj client.Object) error { return c.Get(ctx, key, obj, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return translated(c, obj, func(obj client.Object) error { return c.Create(ctx, obj, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			return translated(c, obj, func(obj client.Object) error { return c.Update(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return translated(c, obj, func(obj client.Object) error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			// Computed from two objects of upstream's kind, so it holds no apiVersion.
			data, err := patch.Data(obj)
			if err != nil {
				return err
			}
			return translated(c, obj, func(obj client.Object) error {
				return c.Patch(ctx, obj, client.RawPatch(patch.Type(), data), opts...)
			})
		},
	})
}

// translated calls with Tierwall's kind of an object of upstream's, and puts
// what the call left in it back into obj.
func translated(c client.Client, obj client.Object, call func(client.Object) error) error {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return err
	}
	if gvk.Group != upstream.GroupName {
		return call(obj)
	}
	theirs, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("%s %s: %w", gvk.Kind, obj.GetName(), err)
	}
	ours := &unstructured.Unstructured{Object: theirs}
	ours.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(gvk.Kind))
	if err := call(ours); err != nil {
		return err
	}
	ours.SetGroupVersionKind(gvk)
	if obj, ok := obj.(runtime.Unstructured); ok {
		obj.SetUnstructuredContent(ours.Object)
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(ours.Object, obj)
}
