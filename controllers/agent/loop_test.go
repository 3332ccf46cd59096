// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

// The addresses of the tests' pods.
const (
	webAddress    = "10.0.0.1"
	clientAddress = "10.0.1.1"
)

func TestLoopAppliesNothingBeforeEverySourceIsInSync(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.in <- message{source: sourcePods, synced: true, steps: []step{web(), peer("client", clientAddress)}}
		f.in <- message{source: sourceNetworkPolicies, steps: []step{isolate()}}
		synctest.Wait()
		expect(t, f.kernel.calls(), nil)
		if f.health.ready(nil) == nil {
			t.Error("ready before the first apply")
		}

		f.in <- message{source: sourceNetworkPolicies, synced: true}
		synctest.Wait()
		expect(t, f.kernel.calls(), []string{operationApply})
		expect(t, f.kernel.verdict(webAddress, clientAddress), "Deny netpol/shop/isolate")
		if err := f.health.ready(nil); err != nil {
			t.Errorf("not ready after the first apply: %v", err)
		}
	})
}

func TestLoopAppliesAnEmptyClusterToTakeOverWhatIsThere(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync()
		expect(t, f.kernel.calls(), []string{operationApply})
	})
}

func TestLoopAppliesEachEventAtOnceAndABurstAsOne(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), isolate())
		f.kernel.entered, f.kernel.release = make(chan struct{}), make(chan struct{})
		f.in <- message{steps: []step{allowAll()}}
		<-f.kernel.entered

		// While the kernel takes the first, 500 more come in.
		for i := range 500 {
			f.in <- message{steps: []step{peer(fmt.Sprintf("pod-%d", i), fmt.Sprintf("10.0.%d.%d", 2+i/250, 1+i%250))}}
		}
		f.in <- message{steps: []step{removeAllowAll()}}
		f.kernel.release <- struct{}{}
		<-f.kernel.entered
		f.kernel.release <- struct{}{}
		synctest.Wait()

		expect(t, f.kernel.calls(), []string{operationApply, operationApply, operationApply})
		expect(t, f.kernel.verdict(webAddress, "10.0.3.250"), "Deny netpol/shop/isolate")
		expect(t, f.kernel.missed(), "")
	})
}

func TestLoopDoesNotApplyWhatChangesNothing(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), isolate())
		f.in <- message{steps: []step{web()}}
		f.in <- message{steps: []step{podKind().remove(types.NamespacedName{Namespace: "shop", Name: "never-was"})}}
		synctest.Wait()
		expect(t, f.kernel.calls(), []string{operationApply})
	})
}

func TestLoopRetriesAFailedApplyAndLosesNothing(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), peer("client", clientAddress))
		f.kernel.fail(errors.New("no buffer space available"))
		f.in <- message{source: sourceNetworkPolicies, steps: []step{isolate()}}
		time.Sleep(time.Minute)
		expect(t, f.kernel.verdict(webAddress, clientAddress), "none")
		tries := len(f.kernel.calls())
		if tries < 5 || tries > 20 {
			t.Errorf("%d tries in a minute of failures, not an exponential back-off", tries)
		}
		if f.health.ready(nil) == nil {
			t.Error("ready after a minute of failures")
		}
		expect(t, f.logged("no buffer space available"), 1)
		expect(t, testutil.ToFloat64(f.metrics.operations.WithLabelValues(operationApply, "failure")), float64(tries-1))

		// What comes during the failures must not be lost, nor hasten the tries.
		f.in <- message{source: sourceNetworkPolicies, steps: []step{allowAll()}}
		f.kernel.fail(nil)
		time.Sleep(20 * time.Second)
		expect(t, f.kernel.verdict(webAddress, clientAddress), "Accept netpol/shop/allow")
		expect(t, len(f.kernel.calls()), tries+1)
		if err := f.health.ready(nil); err != nil {
			t.Errorf("not ready after a success: %v", err)
		}

		f.in <- message{source: sourceNetworkPolicies, steps: []step{removeAllowAll()}}
		synctest.Wait()
		expect(t, f.kernel.verdict(webAddress, clientAddress), "Deny netpol/shop/isolate")
		expect(t, f.kernel.missed(), "")
	})
}

func TestLoopIsNotReadyWhileTheTakeOverFails(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.kernel.fail(errors.New("busy"))
		f.sync(web(), isolate())
		if f.health.ready(nil) == nil {
			t.Error("ready although nothing was applied")
		}
		f.kernel.fail(nil)
		time.Sleep(time.Minute)
		expect(t, f.kernel.verdict(webAddress, clientAddress), "Deny netpol/shop/isolate")
		if err := f.health.ready(nil); err != nil {
			t.Errorf("not ready after a success: %v", err)
		}
	})
}

func TestLoopLogsEachDistinctErrorOnce(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web())
		for _, text := range []string{"first trouble", "second trouble"} {
			f.kernel.fail(errors.New(text))
			f.in <- message{steps: []step{isolate()}}
			time.Sleep(time.Minute)
			expect(t, f.logged(text), 1)
		}
	})
}

func TestLoopRepairsWhatSomebodyElseChangedAtALimitedRate(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), isolate())
		f.kernel.changed <- struct{}{}
		synctest.Wait()
		expect(t, f.kernel.calls(), []string{operationApply, operationResync})

		for range 100 {
			select {
			case f.kernel.changed <- struct{}{}:
			default:
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		if n := len(f.kernel.calls()) - 2; n < 2 || n > 4 {
			t.Errorf("%d repairs of 100 changes in 10 seconds, want one each 5 seconds", n)
		}
	})
}

func TestLoopRepairsAlsoIfTheRepairFailsAtFirst(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web(), isolate())
		f.kernel.fail(errors.New("busy"))
		f.kernel.changed <- struct{}{}
		synctest.Wait()
		f.kernel.fail(nil)
		time.Sleep(time.Second)
		expect(t, f.kernel.calls(), []string{operationApply, operationResync, operationResync})
	})
}

func TestLoopMeasuresEventsThatChangeSomething(t *testing.T) {
	withLoop(t, func(t *testing.T, f *fixture) {
		f.sync(web())
		f.in <- message{source: sourceNetworkPolicies, received: time.Now(), steps: []step{isolate()}}
		f.in <- message{source: sourcePods, received: time.Now(), steps: []step{web()}}
		synctest.Wait()
		if n := testutil.CollectAndCount(f.metrics.latency); n < 1 || n > 2 {
			t.Errorf("latency was measured for %d sources", n)
		}
		expect(t, testutil.ToFloat64(f.metrics.rulesetSize.WithLabelValues("policies")), 1.0)
	})
}

func TestHealthTellsALoopThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &health{}
		h.busy()
		if err := h.live(nil); err != nil {
			t.Errorf("not alive at once: %v", err)
		}
		time.Sleep(maxBusy + time.Second)
		if h.live(nil) == nil {
			t.Error("alive while stuck")
		}
		h.idle()
		if err := h.live(nil); err != nil {
			t.Errorf("not alive while idle: %v", err)
		}
	})
}

// fixture is a loop with a fake kernel, and the test in the place of its
// sources.
type fixture struct {
	kernel  *fakeKernel
	in      chan message
	domains *Domains
	known   []dns.Domain
	metrics *metrics
	health  *health
	size    atomic.Pointer[ruleset.Stats]

	mu  sync.Mutex
	log []string
}

// withLoop runs a test, in a time of its own, against a loop that waits for pods
// and NetworkPolicies.
func withLoop(t *testing.T, test func(*testing.T, *fixture)) { withLoopThatKnows(t, nil, test) }

// withLoopThatKnows is withLoop with domain names learned before.
func withLoopThatKnows(t *testing.T, known []dns.Domain, test func(*testing.T, *fixture)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{
			kernel: newFakeKernel(), in: make(chan message, maxBatch), metrics: newMetrics(), health: &health{},
			domains: NewDomains([]string{"kube-system"}), known: known,
		}
		f.domains.out = f.in
		l := newLoop(loopConfig{
			nodeName: "here",
			sources:  []string{sourcePods, sourceNetworkPolicies},
			in:       f.in,
			domains:  f.domains,
			known:    f.known,
			kernel:   f.kernel,
			metrics:  f.metrics,
			health:   f.health,
			size:     &f.size,
			log:      funcr.New(f.record, funcr.Options{}),
		})
		var done sync.WaitGroup
		done.Go(func() { l.run(t.Context()) })
		t.Cleanup(done.Wait)
		test(t, f)
	})
}

// sync brings the sources in sync, with what they have, and waits.
func (f *fixture) sync(steps ...step) {
	f.in <- message{source: sourcePods, synced: true, steps: steps}
	f.in <- message{source: sourceNetworkPolicies, synced: true}
	synctest.Wait()
}

func (f *fixture) record(_, line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, line)
}

// logged returns how many log lines hold text.
func (f *fixture) logged(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Count(strings.Join(f.log, "\n"), text)
}

func expect[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected (-want +got):\n%s", diff)
	}
}

// web makes the step for the one pod of this node.
func web() step { return setPod("web", "here", webAddress) }

// peer makes the step for a pod of another node.
func peer(name, address string) step { return setPod(name, "there", address) }

func setPod(name, node, address string) step {
	return podKind().set(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}},
	})
}

// isolate makes the step for a NetworkPolicy that allows no ingress.
func isolate() step { return networkPolicyKind().set(policy("isolate")) }

// allowAll makes the step for a NetworkPolicy that allows all ingress.
func allowAll() step {
	return networkPolicyKind().set(policy("allow", networkingv1.NetworkPolicyIngressRule{}))
}

func removeAllowAll() step {
	return networkPolicyKind().remove(client.ObjectKeyFromObject(policy("allow")))
}

func policy(name string, rules ...networkingv1.NetworkPolicyIngressRule) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, Ingress: rules},
	}
}
