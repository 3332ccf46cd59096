// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/ruleset"
)

const (
	nodeName   = "here"
	namespaces = 100
	// overlap is how many policies' peers each pod matches in the overlapping
	// scenario.
	overlap = 10
	port    = 80
)

// scenario is a cluster's state: how many policies of what form, all selecting
// the one local pod, and how many pods elsewhere.
type scenario struct {
	policies int
	pods     int
	policy   func(s scenario, i int) *ruleset.Policy
}

// subject is the local pod's address in a family.
func subject(ip6 bool) netip.Addr { return podAddress(1<<23, ip6) }

// podAddress returns the address of pod i of the cluster.
func podAddress(i int, ip6 bool) netip.Addr {
	if ip6 {
		b := [16]byte{0xfd}
		binary.BigEndian.PutUint32(b[12:], uint32(i))
		return netip.AddrFrom16(b)
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(i))
	return netip.AddrFrom4(b)
}

// pod returns pod i: one application per policy, round robin.
func (s scenario) pod(i int) ruleset.Pod {
	app := i % s.policies
	return ruleset.Pod{
		Namespace: fmt.Sprintf("ns-%d", i%namespaces), Name: fmt.Sprintf("pod-%d", i), Node: "elsewhere",
		Labels:    labels.Set{"app": fmt.Sprint(app), "group": fmt.Sprint(app / overlap)},
		Addresses: []netip.Addr{podAddress(i, false), podAddress(i, true)},
	}
}

// last returns the address of a pod that only the last policy speaks of.
func (s scenario) last(ip6 bool) netip.Addr { return podAddress(s.policies-1, ip6) }

// compiler returns a compiler that was told of everything.
func (s scenario) compiler() *ruleset.Compiler {
	c := ruleset.NewCompiler(nodeName)
	s.fill(c)
	return c
}

// fill tells a compiler of everything.
func (s scenario) fill(c *ruleset.Compiler) {
	for i := range namespaces {
		name := fmt.Sprintf("ns-%d", i)
		c.SetNamespace(name, labels.Set{"kubernetes.io/metadata.name": name})
	}
	c.SetPod(ruleset.Pod{
		Namespace: "ns-0", Name: "subject", Node: nodeName, Labels: labels.Set{"role": "subject"},
		Addresses: []netip.Addr{subject(false), subject(true)},
	})
	for i := range s.pods {
		c.SetPod(s.pod(i))
	}
	for i := range s.policies {
		c.SetPolicy(s.policy(s, i))
	}
}

// clusterPolicy is a ClusterNetworkPolicy with one ingress rule.
func clusterPolicy(i int, action ruleset.Action, peer ruleset.Peer, ports ...ruleset.Port) *ruleset.Policy {
	p := &ruleset.Policy{
		Key: ruleset.PolicyKey{Name: fmt.Sprintf("policy-%05d", i)}, Tier: ruleset.Admin, Priority: int32(i / 10),
		Subject: &ruleset.PodSelector{Namespaces: labels.Everything(), Pods: labels.Everything()},
	}
	p.Rules[ruleset.Ingress] = []ruleset.Rule{{Action: action, Peers: []ruleset.Peer{peer}, Ports: ports}}
	return p
}

// networkPolicy is a NetworkPolicy with one ingress rule.
func networkPolicy(i int, peer ruleset.Peer, ports ...ruleset.Port) *ruleset.Policy {
	p := &ruleset.Policy{
		Key:     ruleset.PolicyKey{Kind: ruleset.KindNetworkPolicy, Namespace: "ns-0", Name: fmt.Sprintf("policy-%05d", i)},
		Tier:    ruleset.NetworkPolicy,
		Subject: &ruleset.PodSelector{Namespace: "ns-0", Pods: labels.Everything()},
	}
	p.Isolates[ruleset.Ingress] = true
	p.Rules[ruleset.Ingress] = []ruleset.Rule{{Action: ruleset.Accept, Peers: []ruleset.Peer{peer}, Ports: ports}}
	return p
}

// labelled is the peer "pods with this label, in any namespace".
func labelled(key string, value int) ruleset.Peer {
	return ruleset.Peer{Pods: &ruleset.PodSelector{
		Namespaces: labels.Everything(), Pods: labels.SelectorFromSet(labels.Set{key: fmt.Sprint(value)}),
	}}
}

func single(first, last uint16) ruleset.Port {
	return ruleset.Port{Protocol: ruleset.UDP, First: first, Last: last}
}

// The forms of policy that are measured.

func networkPolicies(_ scenario, i int) *ruleset.Policy {
	return networkPolicy(i, labelled("app", i), single(port, port))
}

func clusterPolicies(_ scenario, i int) *ruleset.Policy {
	return clusterPolicy(i, ruleset.Accept, labelled("app", i), single(port, port))
}

// overlapping policies come in tens that have one group as peer, so that each
// pod matches as many.
func overlapping(_ scenario, i int) *ruleset.Policy {
	return clusterPolicy(i, ruleset.Accept, labelled("group", i/overlap), single(uint16(port+i%overlap), uint16(port+i%overlap)))
}

// withNetworks has a network of its own as the peer of each policy: the address
// of the pod with the same number.
func withNetworks(_ scenario, i int) *ruleset.Policy {
	network := func(ip6 bool) ruleset.Peer {
		address := podAddress(i, ip6)
		return ruleset.Peer{Net: &ruleset.Network{CIDR: netip.PrefixFrom(address, address.BitLen())}}
	}
	p := clusterPolicy(i, ruleset.Accept, network(false), single(port, port))
	p.Rules[ruleset.Ingress][0].Peers = append(p.Rules[ruleset.Ingress][0].Peers, network(true))
	return p
}

func withRanges(_ scenario, i int) *ruleset.Policy {
	return clusterPolicy(i, ruleset.Accept, labelled("app", i), single(port, uint16(port+1+i%1000)))
}

// tcpPolicies accept the connections of the measurements with real ones.
func tcpPolicies(_ scenario, i int) *ruleset.Policy {
	tcp := func(number uint16) ruleset.Port {
		return ruleset.Port{Protocol: ruleset.TCP, First: number, Last: number}
	}
	return clusterPolicy(i, ruleset.Accept, labelled("app", i), tcp(responsePort), tcp(streamPort))
}
