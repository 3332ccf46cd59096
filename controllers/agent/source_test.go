// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tierwall/tierwall/controllers/internal/kube"
	"github.com/tierwall/tierwall/ruleset"
)

func TestSourceWithdrawsWhatANewListDoesNotHave(t *testing.T) {
	s, out := testSource(t, namespaceKind())
	compiler := ruleset.NewCompiler("here")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range (<-out).steps {
			st(compiler)
		}
	}
	ns := func(name string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}

	var removed []string
	remove := s.kind.remove
	s.kind.remove = func(key client.ObjectKey) step {
		removed = append(removed, key.Name)
		return remove(key)
	}
	do(s.Add(ns("a")))
	do(s.Add(ns("b")))
	do(s.Update(ns("b")))
	do(s.Add(ns("c")))
	do(s.Delete(ns("c")))
	expect(t, removed, []string{"c"})

	// While the watch was interrupted, a went and d came.
	do(s.Replace([]any{ns("b"), ns("d")}, "7"))
	expect(t, removed, []string{"c", "a"})
	do(s.Replace(nil, "8"))
	expect(t, len(removed), 4)
}

func TestSourceKeepsEntriesAndNotObjectsWhileListing(t *testing.T) {
	s, out := testSource(t, podKind())
	store := cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc, cache.WithTransformer(s.Transformer()))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	if err := store.Add(pod); err != nil {
		t.Fatal(err)
	}
	kept := store.List()
	if _, ok := kept[0].(*entry); !ok {
		t.Fatalf("a %T is kept", kept[0])
	}
	if err := s.Replace(kept, "1"); err != nil {
		t.Fatal(err)
	}
	m := <-out
	expect(t, len(m.steps), 1)
	expect(t, m.synced, true)
}

func TestPodThatEndedHasNoAddress(t *testing.T) {
	compiler := ruleset.NewCompiler("here")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "job"},
		Spec:       corev1.PodSpec{NodeName: "here"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}},
	}
	podKind().set(pod)(compiler)
	compiler.Update()
	expect(t, compiler.Stats().Pods, 1)
	pod.Status.Phase = corev1.PodSucceeded
	podKind().set(pod)(compiler)
	compiler.Update()
	expect(t, compiler.Stats().Pods, 0)
}

func TestPreflight(t *testing.T) {
	resource := schema.GroupResource{Group: "policy.tierwall.io", Resource: "clusternetworkpolicies"}
	for name, tt := range map[string]struct {
		errs []error
		want string
	}{
		"served":                  {},
		"API server comes up":     {errs: []error{apierrors.NewInternalError(context.DeadlineExceeded)}},
		"installation under way":  {errs: []error{apierrors.NewNotFound(resource, ""), apierrors.NewForbidden(resource, "", nil)}},
		"definition is missing":   {errs: repeat(apierrors.NewNotFound(resource, ""), 30), want: "kubectl apply -k config/crd"},
		"permission is missing":   {errs: repeat(apierrors.NewForbidden(resource, "", nil), 30), want: "kubectl apply -k config/rbac"},
		"API server is away long": {errs: repeat(apierrors.NewServiceUnavailable("away"), 300)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := preflight(t.Context(), failingReader(t, tt.errs), logr.Discard())
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("unexpected error: %v", err)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("error %v does not tell the remedy %q", err, tt.want)
				}
			})
		})
	}
}

// failingReader returns a client whose first lists fail with errs.
func failingReader(t *testing.T, errs []error) client.Reader {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			if len(errs) == 0 {
				return nil
			}
			err := errs[0]
			errs = errs[1:]
			return err
		},
	}).Build()
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// testSource returns a source and what it sends.
func testSource(t *testing.T, k kind) (*source, <-chan message) {
	t.Helper()
	out := make(chan message, 1)
	s := newSource(sourceConfig{kind: k, out: out, metrics: newMetrics(), log: logr.Discard()})
	s.ctx = t.Context()
	return s, out
}
