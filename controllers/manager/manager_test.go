// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/controllers/internal/kube"
	"github.com/tierwall/tierwall/controllers/internal/testapi"
)

// patience is how long a spec waits for what it expects: the machine may be busy.
const patience = 30 * time.Second

// TestManager runs the manager against a real API server.
func TestManager(t *testing.T) {
	testapi.RequireAssets(t)
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	klog.SetLogger(GinkgoLogr)
	log.SetLogger(GinkgoLogr)
	server := &testapi.Server{}
	BeforeSuite(func() {
		Expect(server.Start()).To(Succeed())
		DeferCleanup(server.Stop)
		start(server)
	})
	describeReadiness(server)
	describeAccepted(server)
	describeConflicts(server)
	RunSpecs(t, "Manager")
}

func describeReadiness(server *testapi.Server) {
	Describe("a replica that does not lead", func() {
		It("is ready once it has read what the leader works with", func(ctx SpecContext) {
			config, err := server.As("tierwall-manager")
			Expect(err).NotTo(HaveOccurred())
			open := holdBack(config)
			options := cacheOptions()
			options.Scheme, options.Mapper = server.Client.Scheme(), kube.NewMapper()
			c, err := cache.New(config, options)
			Expect(err).NotTo(HaveOccurred())
			Expect(hold(ctx, c)).To(Succeed())
			running, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- c.Start(running) }()
			DeferCleanup(func() {
				open()
				cancel()
				Expect(<-done).To(Succeed())
			})
			ready := func() error { return synced(c)(httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody)) }
			Consistently(ready, "1s").Should(MatchError(ContainSubstring("not yet in sync")))
			open()
			Eventually(ready).Should(Succeed())
		})
	})
}

func describeAccepted(server *testapi.Server) {
	Describe("the condition Accepted", func() {
		AfterEach(func(ctx SpecContext) { clean(ctx, server) })

		It("is True for a policy that is enforced as written", func(ctx SpecContext) {
			p := tierwallPolicy("fine", 1)
			Expect(server.Client.Create(ctx, p)).To(Succeed())
			Eventually(condition(server, p, v1alpha1.ConditionAccepted)).WithContext(ctx).Should(And(
				HaveField("Status", metav1.ConditionTrue),
				HaveField("Reason", v1alpha1.ReasonAccepted),
				HaveField("ObservedGeneration", int64(1)),
			))
		})

		It("names the rule that is not understood, and follows the policy", func(ctx SpecContext) {
			p := tierwallPolicy("names", 2)
			p.Spec.Egress = []v1alpha1.ClusterNetworkPolicyEgressRule{{
				Action: v1alpha1.ClusterNetworkPolicyRuleActionAccept,
				To: []v1alpha1.ClusterNetworkPolicyEgressPeer{{Namespaces: &metav1.LabelSelector{
					MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Within", Values: []string{"red"}}},
				}}},
			}}
			Expect(server.Client.Create(ctx, p)).To(Succeed())
			accepted := condition(server, p, v1alpha1.ConditionAccepted)
			Eventually(accepted).WithContext(ctx).Should(And(
				HaveField("Status", metav1.ConditionFalse),
				HaveField("Reason", v1alpha1.ReasonInvalidField),
				HaveField("Message", ContainSubstring("spec.egress[0].to[0]")),
			))
			Eventually(events(server, p)).WithContext(ctx).Should(ContainElement("Warning " + v1alpha1.ReasonInvalidField))

			Expect(server.Client.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
			p.Spec.Egress = nil
			Expect(server.Client.Update(ctx, p)).To(Succeed())
			Eventually(accepted).WithContext(ctx).Should(And(
				HaveField("Status", metav1.ConditionTrue),
				HaveField("ObservedGeneration", int64(2)),
			))
			Eventually(events(server, p)).WithContext(ctx).Should(ContainElement("Normal " + v1alpha1.ReasonAccepted))
		})

		It("leaves the conditions of others alone, and writes only on change", func(ctx SpecContext) {
			p := tierwallPolicy("shared", 3)
			Expect(server.Client.Create(ctx, p)).To(Succeed())
			accepted := condition(server, p, v1alpha1.ConditionAccepted)
			Eventually(accepted).WithContext(ctx).Should(HaveField("Status", metav1.ConditionTrue))
			Expect(server.Client.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
			other := metav1.Condition{Type: "example.org/Reviewed", Status: metav1.ConditionTrue, Reason: "ByHand", LastTransitionTime: metav1.Now()}
			meta.SetStatusCondition(&p.Status.Conditions, other)
			Expect(server.Client.Status().Update(ctx, p)).To(Succeed())
			version := p.ResourceVersion
			Consistently(func(g Gomega) {
				g.Expect(server.Client.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
				g.Expect(p.ResourceVersion).To(Equal(version))
			}, "500ms").Should(Succeed())

			p.Spec.Priority = 4
			Expect(server.Client.Update(ctx, p)).To(Succeed())
			Eventually(accepted).WithContext(ctx).Should(HaveField("ObservedGeneration", int64(2)))
			Eventually(condition(server, p, other.Type)).WithContext(ctx).Should(HaveField("Reason", "ByHand"))
		})
	})
}

func describeConflicts(server *testapi.Server) {
	Describe("the condition PriorityConflict", func() {
		AfterEach(func(ctx SpecContext) { clean(ctx, server) })

		It("names the others of both kinds, while their definition is there and they are", func(ctx SpecContext) {
			a, b := tierwallPolicy("a", 100), tierwallPolicy("b", 100)
			Expect(server.Client.Create(ctx, a)).To(Succeed())
			conflict := condition(server, a, v1alpha1.ConditionPriorityConflict)
			Eventually(conflict).WithContext(ctx).Should(And(
				HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonPriorityUnique)))

			Expect(server.Client.Create(ctx, b)).To(Succeed())
			Eventually(conflict).WithContext(ctx).Should(And(
				HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonSamePriority),
				HaveField("Message", ContainSubstring("that of tcnp/b."))))
			Eventually(condition(server, b, v1alpha1.ConditionPriorityConflict)).WithContext(ctx).Should(
				HaveField("Message", ContainSubstring("that of tcnp/a.")))
			Eventually(events(server, a)).WithContext(ctx).Should(ContainElement("Warning " + v1alpha1.ReasonSamePriority))

			for range 2 {
				Expect(server.InstallUpstream(ctx)).To(Succeed())
				c := upstreamPolicy("c", 100)
				Expect(server.Client.Create(ctx, c)).To(Succeed())
				Eventually(condition(server, c, v1alpha1.ConditionPriorityConflict)).WithContext(ctx).Should(
					HaveField("Message", ContainSubstring("that of tcnp/a, tcnp/b.")))
				Eventually(conflict).WithContext(ctx).Should(HaveField("Message", ContainSubstring("that of tcnp/b, cnp/c.")))
				Expect(server.RemoveUpstream(ctx)).To(Succeed())
				Eventually(conflict).WithContext(ctx).Should(HaveField("Message", ContainSubstring("that of tcnp/b.")))
			}

			Expect(server.Client.Get(ctx, client.ObjectKeyFromObject(b), b)).To(Succeed())
			b.Spec.Priority = 101
			Expect(server.Client.Update(ctx, b)).To(Succeed())
			Eventually(conflict).WithContext(ctx).Should(HaveField("Status", metav1.ConditionFalse))
			Eventually(condition(server, b, v1alpha1.ConditionPriorityConflict)).WithContext(ctx).Should(
				HaveField("Status", metav1.ConditionFalse))
			Eventually(events(server, a)).WithContext(ctx).Should(ContainElement("Normal " + v1alpha1.ReasonPriorityUnique))
		})

		It("does not see policies of another tier or priority", func(ctx SpecContext) {
			a, b, c := tierwallPolicy("a", 200), tierwallPolicy("b", 201), tierwallPolicy("c", 200)
			c.Spec.Tier = v1alpha1.BaselineTier
			for _, p := range []client.Object{a, b, c} {
				Expect(server.Client.Create(ctx, p)).To(Succeed())
			}
			for _, p := range []client.Object{a, b, c} {
				Eventually(condition(server, p, v1alpha1.ConditionPriorityConflict)).WithContext(ctx).Should(
					HaveField("Status", metav1.ConditionFalse))
			}
		})

		It("ends when the other one is deleted", func(ctx SpecContext) {
			a, b := tierwallPolicy("a", 300), tierwallPolicy("b", 300)
			Expect(server.Client.Create(ctx, a)).To(Succeed())
			Expect(server.Client.Create(ctx, b)).To(Succeed())
			conflict := condition(server, a, v1alpha1.ConditionPriorityConflict)
			Eventually(conflict).WithContext(ctx).Should(HaveField("Status", metav1.ConditionTrue))
			Expect(server.Client.Delete(ctx, b)).To(Succeed())
			Eventually(conflict).WithContext(ctx).Should(HaveField("Status", metav1.ConditionFalse))
		})
	})
}

// start runs a manager, as its service account, until the suite ends. It is ready
// once it has read the cluster's policies, and not before. A process can have but
// one manager, so this is no spec.
func start(server *testapi.Server) {
	GinkgoHelper()
	config, err := server.As("tierwall-manager")
	Expect(err).NotTo(HaveOccurred())
	open := holdBack(config)
	address := freeAddress()
	m, err := New(Config{REST: config, MetricsBindAddress: "0", HealthProbeBindAddress: address, Logger: GinkgoLogr})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	DeferCleanup(func() {
		open()
		cancel()
		Expect(<-done).To(Succeed())
	})
	Eventually(readiness).WithArguments(address).Should(Equal(http.StatusInternalServerError))
	Consistently(readiness, "1s").WithArguments(address).Should(Equal(http.StatusInternalServerError))
	open()
	Eventually(readiness).WithArguments(address).Should(Equal(http.StatusOK))
}

// holdBack keeps ClusterNetworkPolicies from being read until open is called.
func holdBack(config *rest.Config) (open func()) {
	opened := make(chan struct{})
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return gate{next: next, opened: opened} })
	return sync.OnceFunc(func() { close(opened) })
}

// gate holds back what asks for ClusterNetworkPolicies until it opens.
type gate struct {
	next   http.RoundTripper
	opened <-chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/clusternetworkpolicies") {
		select {
		case <-g.opened:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return g.next.RoundTrip(r)
}

// readiness is the status code of /readyz.
func readiness(address string) (int, error) {
	response, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// freeAddress is one of the loopback interface that nothing listens on.
func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(listener.Close()).To(Succeed())
	return listener.Addr().String()
}

// clean deletes the cluster's policies.
func clean(ctx context.Context, server *testapi.Server) {
	GinkgoHelper()
	Expect(server.Client.DeleteAllOf(ctx, &v1alpha1.ClusterNetworkPolicy{})).To(Succeed())
	Expect(server.RemoveUpstream(ctx)).To(Succeed())
}

// condition returns a function that reads a condition of a policy.
func condition(server *testapi.Server, o client.Object, conditionType string) func(context.Context) (metav1.Condition, error) {
	return func(ctx context.Context) (metav1.Condition, error) {
		current := o.DeepCopyObject().(client.Object)
		if err := server.Client.Get(ctx, client.ObjectKeyFromObject(o), current); err != nil {
			return metav1.Condition{}, err
		}
		var all []metav1.Condition
		switch p := current.(type) {
		case *v1alpha1.ClusterNetworkPolicy:
			all = p.Status.Conditions
		case *npav1alpha2.ClusterNetworkPolicy:
			all = p.Status.Conditions
		}
		if c := meta.FindStatusCondition(all, conditionType); c != nil {
			return *c, nil
		}
		return metav1.Condition{}, nil
	}
}

// events returns a function that lists the types and reasons of the events about
// an object.
func events(server *testapi.Server, o client.Object) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		var list eventsv1.EventList
		if err := server.Client.List(ctx, &list); err != nil {
			return nil, err
		}
		var found []string
		for _, e := range list.Items {
			if e.Regarding.UID == o.GetUID() {
				found = append(found, e.Type+" "+e.Reason)
			}
		}
		return found, nil
	}
}

func tierwallPolicy(name string, priority int32) *v1alpha1.ClusterNetworkPolicy {
	return &v1alpha1.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ClusterNetworkPolicySpec{
			Tier: v1alpha1.AdminTier, Priority: priority,
			Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
		},
	}
}

func upstreamPolicy(name string, priority int32) *npav1alpha2.ClusterNetworkPolicy {
	return &npav1alpha2.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: npav1alpha2.ClusterNetworkPolicySpec{
			Tier: npav1alpha2.AdminTier, Priority: priority,
			Subject: npav1alpha2.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
		},
	}
}
