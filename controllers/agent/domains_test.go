// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

// stripe is an address of api.stripe.com.
const stripe = "198.51.100.1"

// domainsOnly makes the step for a policy by which pods may reach only these
// domain names.
func domainsOnly(names ...v1alpha1.DomainName) step {
	return tierwallKind().set(&v1alpha1.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "domains-only"},
		Spec: v1alpha1.ClusterNetworkPolicySpec{
			Tier:    v1alpha1.AdminTier,
			Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
			Egress: []v1alpha1.ClusterNetworkPolicyEgressRule{
				{Action: v1alpha1.ClusterNetworkPolicyRuleActionAccept, To: []v1alpha1.ClusterNetworkPolicyEgressPeer{{DomainNames: names}}},
				{Action: v1alpha1.ClusterNetworkPolicyRuleActionDeny, To: []v1alpha1.ClusterNetworkPolicyEgressPeer{{Networks: []v1alpha1.CIDR{"0.0.0.0/0"}}}},
			},
		},
	})
}

// learned is api.stripe.com with these addresses.
func learned(addresses ...string) []dns.Domain {
	d := dns.Domain{Name: "api.stripe.com"}
	for _, a := range addresses {
		d.Addresses = append(d.Addresses, netip.MustParseAddr(a))
	}
	return []dns.Domain{d}
}

// mayReachStripe tells whether the kernel accepts what the pod web sends there.
func (f *fakeKernel) mayReachStripe() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.held.Decide(ruleset.Egress, netip.MustParseAddr(webAddress), netip.MustParseAddr(stripe), ruleset.TCP, 443)
	return d == nil || d.Action == ruleset.Accept
}

// enforce has domains enforced, and returns where the outcome will be.
func (f *fixture) enforce(ctx context.Context, domains []dns.Domain) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.domains.EnforceDomains(ctx, domains) }()
	synctest.Wait()
	return done
}

func TestDomainsAreEnforcedOnceTheKernelHasThem(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), domainsOnly("*.stripe.com"))
		expect(t, f.kernel.mayReachStripe(), false)

		f.kernel.fail(errors.New("busy"))
		done := f.enforce(t.Context(), learned(stripe))
		expect(t, len(done), 0)
		f.kernel.fail(nil)
		time.Sleep(time.Minute)
		expect(t, <-done, nil)
		expect(t, f.kernel.mayReachStripe(), true)

		expect(t, <-f.enforce(t.Context(), learned(stripe)), nil)
		expect(t, <-f.enforce(t.Context(), learned()), nil)
		expect(t, f.kernel.mayReachStripe(), false)
		expect(t, f.kernel.missed(), "")
	})
}

func TestDomainsAreNotEnforcedAfterTheAgentStopped(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), domainsOnly("*.stripe.com"))
		f.kernel.fail(errors.New("busy"))
		ctx, cancel := context.WithCancel(t.Context())
		done := f.enforce(ctx, learned(stripe))
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that it was cancelled", err)
		}
	})
}

func TestWhatWasLearnedBeforeIsInTheFirstRuleset(t *testing.T) {
	withLoopThatKnows(t, learned(stripe), func(t *testing.T, f *fixture) {
		f.sync(web(), domainsOnly("*.stripe.com"))
		expect(t, f.kernel.calls(), []string{operationApply})
		expect(t, f.kernel.mayReachStripe(), true)
	})
}

func TestDomainsMatchWhatPoliciesName(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web())
		expect(t, f.domains.MatchDomain("api.stripe.com"), false)
		f.in <- message{source: sourceTierwall, steps: []step{domainsOnly("*.stripe.com", "Example.org.")}}
		synctest.Wait()
		for name, want := range map[string]bool{
			"api.stripe.com": true, "a.b.stripe.com": true, "stripe.com": false, "notstripe.com": false, "com": false,
			"example.org": true, "www.example.org": false,
		} {
			if got := f.domains.MatchDomain(name); got != want {
				t.Errorf("%s matches: %t, want %t", name, got, want)
			}
		}
		f.in <- message{source: sourceTierwall, steps: []step{tierwallKind().remove(types.NamespacedName{Name: "domains-only"})}}
		synctest.Wait()
		expect(t, f.domains.MatchDomain("api.stripe.com"), false)
	})
}

func TestOnlyServersThatArePodsOfTrustedNamespacesOrNoPodsAreTrusted(t *testing.T) {
	d := NewDomains([]string{"kube-system"})
	pods, c := d.watch(podKind()), ruleset.NewCompiler("here")
	pod := func(namespace, address string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "dns"},
			Status:     corev1.PodStatus{Phase: phase, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}},
		}
	}
	trust := func(want bool) {
		t.Helper()
		expect(t, d.TrustServer(netip.MustParseAddr("10.0.0.9")), want)
	}
	trust(true)
	pods.set(pod("kube-system", "10.0.0.9", corev1.PodRunning))(c)
	trust(true)
	pods.set(pod("shop", "10.0.0.9", corev1.PodRunning))(c)
	trust(false)
	pods.set(pod("shop", "10.0.0.8", corev1.PodRunning))(c)
	trust(true)
	pods.set(pod("shop", "10.0.0.9", corev1.PodRunning))(c)
	pods.set(pod("shop", "10.0.0.9", corev1.PodSucceeded))(c)
	trust(true)
	pods.set(pod("shop", "10.0.0.9", corev1.PodRunning))(c)
	pods.remove(types.NamespacedName{Namespace: "shop", Name: "dns"})(c)
	trust(true)
}
