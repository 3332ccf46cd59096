// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownCondition and foreignLabel are patches of a pod's status.
const (
	ownCondition = `{"status":{"conditions":[{"type":"policy.tierwall.io/E2E","status":"True"}]}}`
	foreignLabel = `{"metadata":{"labels":{"team":"red"}}}`
)

func describeAgentPods(e *environment) {
	Describe("an agent's token", func() {
		It("changes nothing but the agent's conditions of the agent's own pod", func(ctx SpecContext) {
			own, other := e.agentOf(ctx, "node1"), e.agentOf(ctx, "node2")
			c := e.asPod(ctx, own)
			try := func(pod *corev1.Pod, patch string) error {
				return c.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.DryRunAll)
			}
			Expect(try(own, ownCondition)).To(Succeed())
			Expect(try(other, ownCondition)).To(MatchError(ContainSubstring("the pod it runs in only")))
			Expect(try(own, foreignLabel)).To(MatchError(ContainSubstring("labels, annotations or finalizers")))

			By("the API server's own check of the expressions")
			Eventually(e.kubectl).WithArguments(ctx, "get", "validatingadmissionpolicy", "tierwall-agent-own-pod", "--output=jsonpath={.status}").
				WithContext(ctx).WithTimeout(patience).Should(Equal(`{"observedGeneration":1,"typeChecking":{}}`))
		}, SpecTimeout(specTimeout))
	})
}

// agentOf returns the pod of a node's agent.
func (e *environment) agentOf(ctx context.Context, node string) *corev1.Pod {
	GinkgoHelper()
	agents := e.agents(ctx)
	i := slices.IndexFunc(agents, func(p corev1.Pod) bool { return p.Spec.NodeName == node })
	Expect(i).NotTo(Equal(-1), "%s has no agent", node)
	return &agents[i]
}

// agentTells waits until a node's agent has the condition in its pod's status.
func (e *environment) agentTells(ctx context.Context, node, kind string, status corev1.ConditionStatus, reason string) {
	GinkgoHelper()
	Eventually(func() []corev1.PodCondition { return e.agentOf(ctx, node).Status.Conditions }).WithContext(ctx).WithTimeout(patience).
		Should(ContainElement(SatisfyAll(
			HaveField("Type", corev1.PodConditionType(kind)), HaveField("Status", status), HaveField("Reason", reason),
		)), node)
}

// asPod returns what a pod can do at the API server.
func (e *environment) asPod(ctx context.Context, pod *corev1.Pod) client.Client {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	Expect(e.client.SubResource("token").Create(ctx, account, request)).To(Succeed())
	config := rest.AnonymousClientConfig(e.cluster.RESTConfig())
	config.BearerToken = request.Status.Token
	c, err := client.New(config, client.Options{Scheme: e.client.Scheme(), Mapper: e.client.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return c
}
