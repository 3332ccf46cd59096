// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/testapi"
)

// nodeName is the node that the agents of the tests run on.
const nodeName = "node-1"

// TestAgent runs the agent against a real API server.
func TestAgent(t *testing.T) {
	testapi.RequireAssets(t)
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	klog.SetLogger(GinkgoLogr)
	log.SetLogger(GinkgoLogr)
	server := &testapi.Server{}
	BeforeSuite(func() {
		Expect(server.Start()).To(Succeed())
		DeferCleanup(server.Stop)
	})
	describeInputs(server)
	describeUpstream(server)
	describeKernel(server)
	describeConditions(server)
	RunSpecs(t, "Agent")
}

// describeInputs checks that each kind of input takes effect, whatever happens
// to it.
func describeInputs(server *testapi.Server) {
	Describe("an agent", func() {
		var kernel *fakeKernel
		var w *world
		BeforeEach(func(ctx SpecContext) {
			kernel = newFakeKernel()
			w = newWorld(ctx, server)
			start(server, kernel)
			Eventually(kernel.calls).Should(Equal([]string{operationApply}))
		})
		AfterEach(func() { Expect(kernel.missed()).To(BeEmpty(), "a delta did not name all that changed") })

		verdict := func(subject, peer string) func() string {
			return func() string { return kernel.verdict(subject, peer) }
		}

		It("enforces a NetworkPolicy until it is deleted", func(ctx SpecContext) {
			w.pod(ctx, "web", nil, "10.1.0.1")
			p := w.networkPolicy(ctx, "isolate")
			Eventually(verdict("10.1.0.1", "10.1.0.2")).Should(Equal("Deny netpol/" + w.namespace + "/isolate"))
			Expect(w.client.Delete(ctx, p)).To(Succeed())
			Eventually(verdict("10.1.0.1", "10.1.0.2")).Should(Equal("none"))
		})

		It("follows a ClusterNetworkPolicy through its changes", func(ctx SpecContext) {
			w.pod(ctx, "web", nil, "10.2.0.1")
			w.pod(ctx, "peer", map[string]string{"team": "red"}, "10.2.0.2")
			p := w.denial(ctx)
			Eventually(verdict("10.2.0.1", "10.2.0.2")).Should(Equal("Deny tcnp/" + p.Name))
			p.Spec.Ingress[0].Action = v1alpha1.ClusterNetworkPolicyRuleActionAccept
			Expect(w.client.Update(ctx, p)).To(Succeed())
			Eventually(verdict("10.2.0.1", "10.2.0.2")).Should(Equal("Accept tcnp/" + p.Name))
		})

		It("follows labels of pods and namespaces", func(ctx SpecContext) {
			w.pod(ctx, "web", nil, "10.3.0.1")
			peer := w.pod(ctx, "peer", map[string]string{"team": "blue"}, "10.3.0.2")
			p := w.denial(ctx)
			Consistently(verdict("10.3.0.1", "10.3.0.2"), "200ms").Should(Equal("none"))
			peer.Labels["team"] = "red"
			Expect(w.client.Update(ctx, peer)).To(Succeed())
			Eventually(verdict("10.3.0.1", "10.3.0.2")).Should(Equal("Deny tcnp/" + p.Name))

			var ns corev1.Namespace
			Expect(w.client.Get(ctx, client.ObjectKey{Name: w.namespace}, &ns)).To(Succeed())
			ns.Labels["world"] = "another"
			Expect(w.client.Update(ctx, &ns)).To(Succeed())
			Eventually(verdict("10.3.0.1", "10.3.0.2")).Should(Equal("none"))
		})

		It("forgets a pod that ended, and gives its address to the next one", func(ctx SpecContext) {
			w.pod(ctx, "web", nil, "10.4.0.1")
			job := w.pod(ctx, "job", map[string]string{"team": "red"}, "10.4.0.2")
			p := w.denial(ctx)
			Eventually(verdict("10.4.0.1", "10.4.0.2")).Should(Equal("Deny tcnp/" + p.Name))
			job.Status.Phase = corev1.PodSucceeded
			Expect(w.client.Status().Update(ctx, job)).To(Succeed())
			Eventually(verdict("10.4.0.1", "10.4.0.2")).Should(Equal("none"))

			next := w.pod(ctx, "next", map[string]string{"team": "red"}, "10.4.0.2")
			Eventually(verdict("10.4.0.1", "10.4.0.2")).Should(Equal("Deny tcnp/" + p.Name))
			Expect(w.client.Delete(ctx, job, client.GracePeriodSeconds(0))).To(Succeed())
			Consistently(verdict("10.4.0.1", "10.4.0.2"), "300ms").Should(Equal("Deny tcnp/" + p.Name))
			Expect(w.client.Delete(ctx, next, client.GracePeriodSeconds(0))).To(Succeed())
			Eventually(verdict("10.4.0.1", "10.4.0.2")).Should(Equal("none"))
		})

		It("follows the labels of nodes", func(ctx SpecContext) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
			Expect(w.client.Create(ctx, node)).To(Succeed())
			node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.168.5.1"}}
			Expect(w.client.Status().Update(ctx, node)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(w.client.Delete(ctx, node)).To(Succeed()) })
			w.pod(ctx, "web", nil, "10.5.0.1")
			p := w.denial(ctx, v1alpha1.ClusterNetworkPolicyIngressPeer{
				Nodes: &metav1.LabelSelector{MatchLabels: map[string]string{"zone": w.namespace}},
			})
			Consistently(verdict("10.5.0.1", "192.168.5.1"), "200ms").Should(Equal("none"))
			node.Labels = map[string]string{"zone": w.namespace}
			Expect(w.client.Update(ctx, node)).To(Succeed())
			Eventually(verdict("10.5.0.1", "192.168.5.1")).Should(Equal("Deny tcnp/" + p.Name))
		})

		It("loses nothing of a burst, failures in its middle included", func(ctx SpecContext) {
			w.pod(ctx, "web", nil, "10.6.0.1")
			p := w.denial(ctx)
			pods := map[string]*corev1.Pod{}
			for i := range 60 {
				if i == 20 {
					kernel.fail(errors.New("no buffer space available"))
				}
				if i == 40 {
					kernel.fail(nil)
				}
				address := fmt.Sprintf("10.6.1.%d", i+1)
				pods[address] = w.pod(ctx, fmt.Sprintf("peer-%d", i), map[string]string{"team": "red"}, address)
			}
			for address := range pods {
				Eventually(verdict("10.6.0.1", address)).Should(Equal("Deny tcnp/" + p.Name))
			}
			for _, pod := range pods {
				Expect(w.client.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
			}
			for address := range pods {
				Eventually(verdict("10.6.0.1", address)).Should(Equal("none"))
			}
		})
	})
}

// describeUpstream checks that upstream's kind may come and go.
func describeUpstream(server *testapi.Server) {
	Describe("upstream's ClusterNetworkPolicy", func() {
		It("is enforced from the time its definition is installed until that is removed", func(ctx SpecContext) {
			kernel := newFakeKernel()
			w := newWorld(ctx, server)
			Expect(server.RemoveUpstream(ctx)).To(Succeed())
			start(server, kernel)
			w.pod(ctx, "web", nil, "10.7.0.1")
			w.pod(ctx, "peer", nil, "10.7.0.2")
			verdict := func() string { return kernel.verdict("10.7.0.1", "10.7.0.2") }
			Eventually(verdict).Should(Equal("none"), "the agent works without the definition")

			for range 2 {
				Expect(server.InstallUpstream(ctx)).To(Succeed())
				Expect(w.client.Create(ctx, upstreamPolicy(w.namespace))).To(Succeed())
				Eventually(verdict).Should(Equal("Deny cnp/" + w.namespace))
				Expect(server.RemoveUpstream(ctx)).To(Succeed())
				Eventually(verdict).Should(Equal("none"))
			}
			Expect(kernel.missed()).To(BeEmpty())
		})

		It("is there at once if its definition was there before the agent", func(ctx SpecContext) {
			kernel := newFakeKernel()
			w := newWorld(ctx, server)
			Expect(server.InstallUpstream(ctx)).To(Succeed())
			w.pod(ctx, "web", nil, "10.8.0.1")
			w.pod(ctx, "peer", nil, "10.8.0.2")
			p := upstreamPolicy(w.namespace)
			Expect(w.client.Create(ctx, p)).To(Succeed())
			start(server, kernel)
			Eventually(kernel.calls).Should(HaveLen(1))
			Expect(kernel.verdict("10.8.0.1", "10.8.0.2")).To(Equal("Deny cnp/"+w.namespace), "with the first apply")
			Expect(w.client.Delete(ctx, p)).To(Succeed())
			Eventually(func() string { return kernel.verdict("10.8.0.1", "10.8.0.2") }).Should(Equal("none"))
		})
	})

	Describe("stopping the agent", func() {
		It("withdraws nothing", func(ctx SpecContext) {
			kernel := newFakeKernel()
			w := newWorld(ctx, server)
			Expect(server.InstallUpstream(ctx)).To(Succeed())
			w.pod(ctx, "web", nil, "10.9.0.1")
			w.pod(ctx, "peer", nil, "10.9.0.2")
			Expect(w.client.Create(ctx, upstreamPolicy(w.namespace))).To(Succeed())
			stop := start(server, kernel)
			Eventually(kernel.calls).Should(HaveLen(1))
			stop()
			Expect(kernel.calls()).To(HaveLen(1))
			Expect(kernel.verdict("10.9.0.1", "10.9.0.2")).To(Equal("Deny cnp/" + w.namespace))
		})
	})
}

// patience is how long a spec waits for what it expects: the machine may be busy.
const patience = 30 * time.Second

// start runs an agent, as its service account, until the spec ends or the returned function is called.
func start(server *testapi.Server, k kernel) (stop func()) {
	GinkgoHelper()
	config, err := server.As("tierwall-agent")
	Expect(err).NotTo(HaveOccurred())
	return startAs(config, k, types.NamespacedName{})
}

// startAs runs an agent that reaches the server in a way of its own, and reports
// in a pod, if there is one.
func startAs(config *rest.Config, k kernel, pod types.NamespacedName) (stop func()) {
	GinkgoHelper()
	a, err := New(Config{
		REST: config, NodeName: nodeName, Kernel: k, Domains: NewDomains(nil), Proxy: fakeProxy{}, Pod: pod,
		MetricsBindAddress: "0", HealthProbeBindAddress: "0",
		Registry: prometheus.NewRegistry(), Logger: GinkgoLogr,
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Start(ctx) }()
	stopped := false
	stop = func() {
		GinkgoHelper()
		cancel()
		if !stopped {
			Expect(<-done).To(Succeed())
		}
		stopped = true
	}
	DeferCleanup(stop)
	return stop
}

// world is a namespace of a spec's own; all that is in it goes with the spec.
type world struct {
	client    client.Client
	server    *testapi.Server
	namespace string
}

func newWorld(ctx context.Context, server *testapi.Server) *world {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "world-", Labels: map[string]string{}}}
	Expect(server.Client.Create(ctx, ns)).To(Succeed())
	ns.Labels["world"] = ns.Name
	Expect(server.Client.Update(ctx, ns)).To(Succeed())
	w := &world{client: server.Client, server: server, namespace: ns.Name}
	DeferCleanup(func(ctx SpecContext) {
		in := client.InNamespace(ns.Name)
		Expect(server.Client.DeleteAllOf(ctx, &corev1.Pod{}, in, client.GracePeriodSeconds(0))).To(Succeed())
		Expect(server.Client.DeleteAllOf(ctx, &networkingv1.NetworkPolicy{}, in)).To(Succeed())
		Expect(server.Client.DeleteAllOf(ctx, &v1alpha1.ClusterNetworkPolicy{})).To(Succeed())
		Expect(server.RemoveUpstream(ctx)).To(Succeed())
	})
	return w
}

// pod creates a pod of the agent's node.
func (w *world) pod(ctx context.Context, name string, labels map[string]string, address string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: nodeName},
	}
	Expect(w.server.CreatePod(ctx, pod, address)).To(Succeed())
	return pod
}

// networkPolicy creates one that selects all pods of the world and allows no
// ingress.
func (w *world) networkPolicy(ctx context.Context, name string) *networkingv1.NetworkPolicy {
	GinkgoHelper()
	p := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}},
	}
	Expect(w.client.Create(ctx, p)).To(Succeed())
	return p
}

// denial creates a ClusterNetworkPolicy for all pods with one ingress rule: Deny
// from the peers, or from the world's pods of team red if there are none.
func (w *world) denial(ctx context.Context, peers ...v1alpha1.ClusterNetworkPolicyIngressPeer) *v1alpha1.ClusterNetworkPolicy {
	GinkgoHelper()
	here := metav1.LabelSelector{MatchLabels: map[string]string{"world": w.namespace}}
	if len(peers) == 0 {
		peers = []v1alpha1.ClusterNetworkPolicyIngressPeer{{Pods: &v1alpha1.NamespacedPod{
			NamespaceSelector: here, PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"team": "red"}},
		}}}
	}
	p := &v1alpha1.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		Spec: v1alpha1.ClusterNetworkPolicySpec{
			Tier: v1alpha1.AdminTier, Priority: 10,
			Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
			Ingress: []v1alpha1.ClusterNetworkPolicyIngressRule{{Action: v1alpha1.ClusterNetworkPolicyRuleActionDeny, From: peers}},
		},
	}
	Expect(w.client.Create(ctx, p)).To(Succeed())
	return p
}

// upstreamPolicy returns one that denies all ingress to the pods of a world.
func upstreamPolicy(world string) *npav1alpha2.ClusterNetworkPolicy {
	return &npav1alpha2.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: world},
		Spec: npav1alpha2.ClusterNetworkPolicySpec{
			Tier: npav1alpha2.AdminTier, Priority: 20,
			Subject: npav1alpha2.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{MatchLabels: map[string]string{"world": world}}},
			Ingress: []npav1alpha2.ClusterNetworkPolicyIngressRule{{
				Action: npav1alpha2.ClusterNetworkPolicyRuleActionDeny,
				From:   []npav1alpha2.ClusterNetworkPolicyIngressPeer{{Namespaces: &metav1.LabelSelector{}}},
			}},
		},
	}
}
