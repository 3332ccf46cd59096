// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

const (
	// brokenSelector has an operator that Kubernetes does not have. The API server
	// does not look at it.
	brokenSelector = ofNamespace + `
  ingress:
  - action: Accept
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {number: 9090}}}]
  - action: Deny
    from: [{namespaces: {matchExpressions: [{key: team, operator: Within, values: [a]}]}}]
`
	samePriority = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE-other}
spec:
  tier: Admin
  priority: 500
  subject:
    namespaces: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  egress:
  - action: Pass
    to: [{networks: [0.0.0.0/0]}]
`
	// futurePeers has a kind of peer that a newer definition might have.
	futurePeers = ofNamespace + `
  ingress:
  - action: Accept
    from: [{futurePeer: {}}]
  - action: Deny
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {number: 8080}}}]
  - action: Accept
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {number: 9090}}}]
  - action: ACTION
    from: [{namespaces: {}}, {futurePeer: {}}]
    protocols: [{tcp: {destinationPort: {number: 1}}}]
`
)

func describeStatus(e *environment) {
	Describe("a policy that is not understood", func() {
		It("fails closed rule by rule, and its status names the field", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			http, metrics := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort)
			w.apply(ctx, brokenSelector)
			w.isDenied(ctx, w.from("client"), http...)
			e.isDenied(ctx, "outside", http...)
			w.reaches(ctx, w.from("client"), metrics...)
			w.hasCondition(ctx, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidField, "spec.ingress[1].from[0].namespaces")
			Expect(e.kubectl(ctx, "describe", "tcnp", w.namespace)).To(ContainSubstring("spec.ingress[1].from[0].namespaces"))

			By("it is mended")
			w.apply(ctx, withPort(denyPort, metricsPort))
			w.hasCondition(ctx, v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted, "")
			w.reaches(ctx, w.from("client"), http...)
		}, SpecTimeout(specTimeout))

		It("because its peer is of a kind to come fails closed", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			http, metrics, udp := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort), w.udp(ctx)
			e.addFuturePeer(ctx)
			for _, action := range []string{"Deny", "Pass"} {
				By(action)
				policy := w.apply(ctx, withAction(futurePeers, action))
				w.isDenied(ctx, w.from("client"), append(http, udp...)...)
				e.isDenied(ctx, "outside", udp...)
				w.reaches(ctx, w.from("client"), metrics...)
				w.hasCondition(ctx, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidField, "spec.ingress[0].from[0]")
				w.remove(ctx, policy)
				w.reaches(ctx, w.from("client"), append(http, udp...)...)
			}
		}, SpecTimeout(specTimeout))
	})

	Describe("policies of one priority", func() {
		It("are named in the status of both", func(ctx SpecContext) {
			w := e.newEmptyWorld(ctx)
			w.apply(ctx, withPort(denyPort, httpPort))
			w.hasCondition(ctx, v1alpha1.ConditionPriorityConflict, metav1.ConditionFalse, v1alpha1.ReasonPriorityUnique, "")
			other := w.apply(ctx, samePriority)
			w.hasCondition(ctx, v1alpha1.ConditionPriorityConflict, metav1.ConditionTrue, v1alpha1.ReasonSamePriority, other.GetName())
			w.remove(ctx, other)
			w.hasCondition(ctx, v1alpha1.ConditionPriorityConflict, metav1.ConditionFalse, v1alpha1.ReasonPriorityUnique, "")
		}, SpecTimeout(specTimeout))
	})

	Describe("the manager", func() {
		It("goes on when the leader is gone", func(ctx SpecContext) {
			leader := e.leader(ctx)
			e.kubectl(ctx, "-n", "tierwall-system", "delete", "pod", podOfLeader(leader), "--wait=false")
			Eventually(e.leader).WithArguments(ctx).WithContext(ctx).WithTimeout(time.Minute).ShouldNot(Or(Equal(leader), BeEmpty()))
			w := e.newEmptyWorld(ctx)
			w.apply(ctx, brokenSelector)
			w.hasCondition(ctx, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidField, "spec.ingress[1]")
			e.kubectl(ctx, "-n", "tierwall-system", "rollout", "status", "--timeout=1m", "deployment/tierwall-manager")
		}, SpecTimeout(specTimeout))
	})
}

// hasCondition waits until the spec's policy has the condition, for what its
// spec says now.
func (w *world) hasCondition(ctx context.Context, kind string, status metav1.ConditionStatus, reason, message string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		policy := w.policy(ctx, g)
		g.Expect(policy.Status.Conditions).To(ContainElement(SatisfyAll(
			HaveField("Type", kind),
			HaveField("Status", status),
			HaveField("Reason", reason),
			HaveField("Message", ContainSubstring(message)),
			HaveField("ObservedGeneration", policy.Generation),
		)))
	}).WithContext(ctx).WithTimeout(patience).Should(Succeed())
}

func (w *world) policy(ctx context.Context, g Gomega) *v1alpha1.ClusterNetworkPolicy {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ClusterNetworkPolicy"))
	g.Expect(w.client.Get(ctx, client.ObjectKey{Name: w.namespace}, object)).To(Succeed())
	policy := &v1alpha1.ClusterNetworkPolicy{}
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, policy)).To(Succeed())
	return policy
}

// addFuturePeer changes the definition as a release to come might do, until the
// end of the spec.
func (e *environment) addFuturePeer(ctx context.Context) {
	GinkgoHelper()
	definition := e.definition(ctx)
	original, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) {
		definition := e.definition(ctx)
		Expect(unstructured.SetNestedSlice(definition.Object, original, "spec", "versions")).To(Succeed())
		Expect(e.client.Update(ctx, definition)).To(Succeed())
	}, NodeTimeout(specTimeout))

	versions := runtime.DeepCopyJSONValue(original).([]any)
	peers := []string{
		"schema", "openAPIV3Schema", "properties", "spec", "properties", "ingress", "items", "properties",
		"from", "items", "properties", "futurePeer",
	}
	Expect(unstructured.SetNestedMap(versions[0].(map[string]any), map[string]any{"type": "object"}, peers...)).To(Succeed())
	Expect(unstructured.SetNestedSlice(definition.Object, versions, "spec", "versions")).To(Succeed())
	Expect(e.client.Update(ctx, definition)).To(Succeed())
	// The API server takes a moment to serve what it has stored.
	Eventually(e.tryToApply).WithArguments(ctx, strings.ReplaceAll(withAction(futurePeers, "Deny"), "NAMESPACE", "future")).WithTimeout(patience).Should(Succeed())
}

// tryToApply asks whether the API server would take a manifest.
func (e *environment) tryToApply(ctx context.Context, manifest string) error {
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(manifest), &object.Object); err != nil {
		return err
	}
	return e.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("e2e"), client.DryRunAll)
}

func (e *environment) definition(ctx context.Context) *unstructured.Unstructured {
	GinkgoHelper()
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	Expect(e.client.Get(ctx, client.ObjectKey{Name: "clusternetworkpolicies.policy.tierwall.io"}, definition)).To(Succeed())
	return definition
}

// leader names the manager that leads, or nobody.
func (e *environment) leader(ctx context.Context) string {
	GinkgoHelper()
	var lease coordinationv1.Lease
	Expect(e.client.Get(ctx, client.ObjectKey{Namespace: "tierwall-system", Name: "tierwall-manager"}, &lease)).To(Succeed())
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
