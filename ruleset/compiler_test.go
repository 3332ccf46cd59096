// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
)

// world is a compiler with a few pods on node "here": web and db in namespace
// shop, and a pod in namespace dev on node "there".
type world struct {
	*Compiler
	t *testing.T
}

var (
	webAddress = netip.MustParseAddr("10.0.0.1")
	dbAddress  = netip.MustParseAddr("10.0.0.2")
	devAddress = netip.MustParseAddr("10.0.1.1")
	outside    = netip.MustParseAddr("192.0.2.1")
)

func newWorld(t *testing.T) *world {
	w := &world{NewCompiler("here"), t}
	w.SetNamespace("shop", labels.Set{"team": "shop"})
	w.SetNamespace("dev", labels.Set{"team": "dev"})
	w.SetPod(Pod{Namespace: "shop", Name: "web", Labels: labels.Set{"app": "web"}, Node: "here", Addresses: []netip.Addr{webAddress}})
	w.SetPod(Pod{
		Namespace: "shop", Name: "db", Labels: labels.Set{"app": "db"}, Node: "here", Addresses: []netip.Addr{dbAddress},
		Ports: []NamedPort{{"sql", TCP, 5432}},
	})
	w.SetPod(Pod{Namespace: "dev", Name: "tool", Labels: labels.Set{"app": "web"}, Node: "there", Addresses: []netip.Addr{devAddress}})
	return w
}

func selector(t *testing.T, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func podsIn(t *testing.T, namespaces, pods string) *PodSelector {
	t.Helper()
	return &PodSelector{Namespaces: selector(t, namespaces), Pods: selector(t, pods)}
}

// want checks who decides about traffic to port 5432/TCP from peer to db.
func (w *world) want(peer netip.Addr, action Action, policy string) {
	w.t.Helper()
	decision := w.Ruleset().Decide(Ingress, dbAddress, peer, TCP, 5432)
	got, by := Action(0), ""
	if decision != nil {
		got, by = decision.Action, decision.Policy.Name
	}
	if got != action || by != policy {
		w.t.Errorf("%v to db: got %v by %q, want %v by %q", peer, got, by, action, policy)
	}
}

func TestTiersInOrder(t *testing.T) {
	w := newWorld(t)
	db := podsIn(t, "team=shop", "app=db")
	dev := Peer{Pods: podsIn(t, "team=dev", "")}
	policy := func(name string, tier Tier, action Action, peers ...Peer) *Policy {
		p := &Policy{Key: PolicyKey{Kind: KindTierwall, Name: name}, Tier: tier, Subject: db}
		p.Rules[Ingress] = []Rule{{Action: action, Peers: peers}}
		return p
	}
	w.SetPolicy(policy("base", Baseline, Deny))
	w.Update()
	w.want(devAddress, Deny, "base")
	w.want(webAddress, Deny, "base")
	w.want(outside, Deny, "base")

	netpol := &Policy{
		Key: PolicyKey{Kind: KindNetworkPolicy, Namespace: "shop", Name: "open"}, Tier: NetworkPolicy,
		Subject: &PodSelector{Namespace: "shop", Pods: selector(t, "app=db")},
	}
	netpol.Isolates[Ingress] = true
	netpol.Rules[Ingress] = []Rule{{
		Action: Accept, Peers: []Peer{{Pods: podsIn(t, "", "app=web")}}, Ports: []Port{{Protocol: TCP, Name: "sql"}},
	}}
	w.SetPolicy(netpol)
	w.Update()
	w.want(devAddress, Accept, "open")
	w.want(webAddress, Accept, "open")
	w.want(outside, Deny, "open")

	w.SetPolicy(policy("no-dev", Admin, Deny, dev))
	w.Update()
	w.want(devAddress, Deny, "no-dev")
	w.want(webAddress, Accept, "open")

	w.DeletePolicy(netpol.Key)
	w.Update()
	w.want(webAddress, Deny, "base")
	w.DeletePolicy(PolicyKey{Kind: KindTierwall, Name: "base"})
	w.DeletePolicy(PolicyKey{Kind: KindTierwall, Name: "no-dev"})
	w.Update()
	w.want(devAddress, 0, "")
	if len(w.Ruleset().Stacks) != 0 || len(w.Ruleset().Subjects) != 0 || len(w.Ruleset().Endpoints) != 0 {
		t.Errorf("something is left: %v", w.Ruleset())
	}
}

func TestRepeatChangesNothing(t *testing.T) {
	w := newWorld(t)
	p := &Policy{Key: PolicyKey{Name: "p"}, Subject: podsIn(t, "", "")}
	p.Rules[Egress] = []Rule{{Action: Deny, Peers: []Peer{{Net: &Network{CIDR: netip.MustParsePrefix("10.0.1.0/24")}}}}}
	w.SetPolicy(p)
	if w.Update().Empty() {
		t.Fatal("the first Update changed nothing")
	}
	w.SetPolicy(p)
	w.SetNamespace("shop", labels.Set{"team": "shop"})
	w.SetPod(Pod{Namespace: "shop", Name: "web", Labels: labels.Set{"app": "web"}, Node: "here", Addresses: []netip.Addr{webAddress}})
	if d := w.Update(); !d.Empty() {
		t.Errorf("a repeat changed something: %+v", d)
	}
}

// A new pod like others costs one entry, and a policy that tells no pods apart
// that were alike costs none.
func TestSmallDeltas(t *testing.T) {
	w := newWorld(t)
	p := &Policy{Key: PolicyKey{Name: "p"}, Subject: podsIn(t, "", "app=db")}
	p.Rules[Ingress] = []Rule{{Action: Deny, Peers: []Peer{{Pods: podsIn(t, "", "app=web")}}}}
	w.SetPolicy(p)
	w.Update()
	added := netip.MustParseAddr("10.0.1.77")
	w.SetPod(Pod{Namespace: "dev", Name: "more", Labels: labels.Set{"app": "web"}, Node: "there", Addresses: []netip.Addr{added}})
	d := w.Update()
	want := newDelta()
	want.Endpoints[added] = struct{}{}
	if diff := cmp.Diff(&want, d); diff != "" {
		t.Errorf("new pod (-want +got):\n%s", diff)
	}
	q := &Policy{Key: PolicyKey{Name: "q"}, Subject: podsIn(t, "", "app=db")}
	q.Rules[Ingress] = []Rule{{Action: Accept, Peers: []Peer{{Pods: podsIn(t, "", "app in (web)")}}}}
	w.SetPolicy(q)
	if d := w.Update(); len(d.Endpoints) != 0 || d.Networks {
		t.Errorf("a policy that tells nothing apart moved addresses: %+v", d)
	}
	w.want(devAddress, Deny, "p")
}
