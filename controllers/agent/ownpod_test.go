// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/controllers/internal/testapi"
	"github.com/tierwall/tierwall/ruleset"
)

// agentNamespace is where agents run, and where their Role is.
const agentNamespace = "tierwall-system"

// describeConditions checks what an agent writes into its pod's status, and that
// it can write nothing else.
func describeConditions(server *testapi.Server) {
	Describe("the conditions of an agent's pod", func() {
		var own, other *corev1.Pod
		BeforeEach(func(ctx SpecContext) {
			own, other = agentPod(ctx, server, "own-"), agentPod(ctx, server, "other-")
			newWorld(ctx, server)
			// The API server takes a moment to follow a ValidatingAdmissionPolicy.
			Eventually(tryPatch).WithArguments(ctx, agentClient(ctx, server, own), other, inStatus("phase", "Failed")).
				WithContext(ctx).Should(beDenied("the pod it runs in only"))
		})

		It("say that all is well once the agent enforces, next to those of the kubelet", func(ctx SpecContext) {
			config, err := server.AsPod(ctx, own)
			Expect(err).NotTo(HaveOccurred())
			stop := startAs(config, newFakeKernel(), client.ObjectKeyFromObject(own))
			Eventually(conditions(server, own)).WithContext(ctx).Should(ConsistOf(
				condition("Ready", "True", "kubelet"),
				condition(ConditionDomainNamesWithinBounds, "True", ReasonWithinBounds),
				condition(ConditionRulesetWithinBounds, "True", ReasonWithinBounds),
			))
			stop()

			By("a kubelet that patches the status as it does")
			patch := `{"status":{"$setElementOrder/conditions":[{"type":"Ready"}],"conditions":[{"type":"Ready","status":"False","reason":"kubelet"}]}}`
			Expect(server.Client.Status().Patch(ctx, own, client.RawPatch(types.StrategicMergePatchType, []byte(patch)))).To(Succeed())
			Expect(conditions(server, own)(ctx)).To(ConsistOf(
				condition("Ready", "False", "kubelet"),
				condition(ConditionDomainNamesWithinBounds, "True", ReasonWithinBounds),
				condition(ConditionRulesetWithinBounds, "True", ReasonWithinBounds),
			))
		})

		It("follow the bounds, without a write when nothing changes", func(ctx SpecContext) {
			proxy := &fakeBounds{}
			r := reporterOf(agentClient(ctx, server, own), own, proxy)
			now := time.Now()
			version := func() string {
				now = now.Add(reportInterval)
				r.report(ctx, now)
				Expect(r.failure).To(BeEmpty())
				Expect(server.Client.Get(ctx, client.ObjectKeyFromObject(own), own)).To(Succeed())
				return own.ResourceVersion
			}
			first := version()
			Expect(version()).To(Equal(first))
			proxy.hits.Add(1)
			hit := version()
			Expect(hit).NotTo(Equal(first))
			Expect(conditions(server, own)(ctx)).To(ConsistOf(
				condition("Ready", "True", "kubelet"),
				condition(ConditionDomainNamesWithinBounds, "False", ReasonTooManyNames),
				condition(ConditionRulesetWithinBounds, "True", ReasonWithinBounds),
			))
			proxy.hits.Add(1)
			Expect(version()).To(Equal(hit))

			By("the agent's container restarts")
			r = reporterOf(agentClient(ctx, server, own), own, &fakeBounds{})
			Expect(version()).To(Equal(hit))
			now = now.Add(hitMemory)
			Expect(version()).NotTo(Equal(hit))
			Expect(conditions(server, own)(ctx)).To(ContainElement(condition(ConditionDomainNamesWithinBounds, "True", ReasonWithinBounds)))
		})

		It("are not written into a pod of the same name that came later", func(ctx SpecContext) {
			status := podStatus{agentClient(ctx, server, own), client.ObjectKeyFromObject(own)}
			Expect(status.write(ctx, "another", wellKnown())).To(MatchError(ContainSubstring("metadata.uid")))
		})

		It("can be written by the agent in that pod only", func(ctx SpecContext) {
			c := agentClient(ctx, server, own)
			Expect(podStatus{c, client.ObjectKeyFromObject(own)}.write(ctx, own.UID, wellKnown())).To(Succeed())
			Expect(podStatus{c, client.ObjectKeyFromObject(other)}.write(ctx, other.UID, wellKnown())).To(beDenied("the pod it runs in only"))

			By("a token that is bound to no pod")
			config, err := server.As("tierwall-agent")
			Expect(err).NotTo(HaveOccurred())
			Expect(podStatus{newClient(config, server), client.ObjectKeyFromObject(own)}.write(ctx, own.UID, wellKnown())).To(beDenied("the pod it runs in only"))

			By("a pod of another namespace")
			w := newWorld(ctx, server)
			victim := w.pod(ctx, "victim", nil, "10.30.0.1")
			err = podStatus{c, client.ObjectKeyFromObject(victim)}.write(ctx, victim.UID, wellKnown())
			Expect(err).To(MatchError(ContainSubstring("cannot patch resource")))
		})

		DescribeTable("are all that an agent can change of its pod",
			func(ctx SpecContext, patch map[string]any, denied string) {
				Expect(tryPatch(ctx, agentClient(ctx, server, own), own, patch)).To(beDenied(denied))
			},
			Entry("a condition of the kubelet", inStatus("conditions", []any{map[string]any{"type": "Ready", "status": "False"}}), "conditions of its pod but those"),
			Entry("one more of somebody else", inStatus("conditions", []any{map[string]any{"type": "example.com/Fine", "status": "True"}}), "conditions of its pod but those"),
			Entry("no conditions", inStatus("conditions", []any{map[string]any{"type": "Ready", "$patch": "delete"}}), "conditions of its pod but those"),
			Entry("a field of the status", inStatus("phase", "Failed"), "nothing of its pod's status but conditions"),
			Entry("a field of the status that was not there", inStatus("message", "hello"), "nothing of its pod's status but conditions"),
			Entry("no field of the status", inStatus("phase", nil), "nothing of its pod's status but conditions"),
			Entry("a label", inMetadata("labels", map[string]any{"team": "red"}), "labels, annotations or finalizers"),
			Entry("an annotation", inMetadata("annotations", map[string]any{"a": "b"}), "labels, annotations or finalizers"),
			Entry("a finalizer", inMetadata("finalizers", []any{"example.com/stay"}), "labels, annotations or finalizers"),
		)
	})
}

// tryPatch asks whether the API server would let a client change a pod's status.
func tryPatch(ctx context.Context, c client.Client, pod *corev1.Pod, patch map[string]any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return c.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, body), client.DryRunAll)
}

func inStatus(field string, value any) map[string]any {
	return map[string]any{"status": map[string]any{field: value}}
}

func inMetadata(field string, value any) map[string]any {
	return map[string]any{"metadata": map[string]any{field: value}}
}

// wellKnown are conditions as agents have them.
func wellKnown() []metav1.Condition {
	tr := newTracker(ConditionRulesetWithinBounds, noneLarge)
	return []metav1.Condition{tr.condition(time.Now())}
}

func beDenied(message string) gomegatypes.GomegaMatcher {
	return MatchError(SatisfyAll(ContainSubstring("ValidatingAdmissionPolicy 'tierwall-agent-own-pod'"), ContainSubstring(message)))
}

// agentPod creates a pod as those of agents, whose kubelet says that it is ready.
func agentPod(ctx context.Context, server *testapi.Server, prefix string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, GenerateName: prefix},
		Spec:       corev1.PodSpec{NodeName: nodeName, ServiceAccountName: "tierwall-agent", HostNetwork: true},
	}
	Expect(server.CreatePod(ctx, pod, "192.168.0.1")).To(Succeed())
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, Reason: "kubelet"}}
	Expect(server.Client.Status().Update(ctx, pod)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(server.Client.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
	})
	return pod
}

// conditions returns a function that reads those of a pod.
func conditions(server *testapi.Server, pod *corev1.Pod) func(context.Context) []corev1.PodCondition {
	return func(ctx context.Context) []corev1.PodCondition {
		now := &corev1.Pod{}
		if err := server.Client.Get(ctx, client.ObjectKeyFromObject(pod), now); err != nil {
			return nil
		}
		return now.Status.Conditions
	}
}

func condition(kind, status, reason string) gomegatypes.GomegaMatcher {
	return SatisfyAll(
		HaveField("Type", corev1.PodConditionType(kind)), HaveField("Status", corev1.ConditionStatus(status)), HaveField("Reason", reason),
	)
}

// agentClient is what the agent in a pod has.
func agentClient(ctx context.Context, server *testapi.Server, pod *corev1.Pod) client.Client {
	GinkgoHelper()
	config, err := server.AsPod(ctx, pod)
	Expect(err).NotTo(HaveOccurred())
	return newClient(config, server)
}

func newClient(config *rest.Config, server *testapi.Server) client.Client {
	GinkgoHelper()
	c, err := client.New(config, client.Options{Scheme: server.Client.Scheme(), Mapper: server.Client.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// reporterOf returns the reporter of an agent in a pod.
func reporterOf(c client.Client, pod *corev1.Pod, proxy *fakeBounds) *reporter {
	size := &atomic.Pointer[ruleset.Stats]{}
	size.Store(&ruleset.Stats{})
	return newReporter(reporterConfig{pod: podStatus{c, client.ObjectKeyFromObject(pod)}, proxy: proxy, size: size, log: GinkgoLogr})
}
