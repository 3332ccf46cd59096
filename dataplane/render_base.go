// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// renderBase returns what is the same in every table: the hooks, and the chains
// that find a packet's class.
func renderBase() piece {
	return piece{
		chains: []chain{
			forwardChain(), hostChain(chainInput, nftables.ChainHookInput), hostChain(chainOutput, nftables.ChainHookOutput),
			forwardChain6(), hostChain6(), egressAcceptedChain(),
			classChain(chainClassOfSource, source4(), source6()),
			classChain(chainClassOfDestination, destination4(), destination6()),
		},
		sets: []set{
			neighbourDiscovery(),
			newSet(setEndpoints4, kindEndpoints4), newSet(setEndpoints6, kindEndpoints6),
			newSet(setNetworks4, kindNetworks4), newSet(setNetworks6, kindNetworks6),
		},
	}
}

// forwardChain judges what passes through the node. A local pod as the sender
// comes first: its chain goes on to the receiver's, if the sender may send.
func forwardChain() chain {
	return chain{name: chainForward, hook: nftables.ChainHookForward, rules: []rule{
		acceptEstablished(),
		{exprs: source4().toPodChain(setEgress4, setEgressChains)},
		{exprs: destination4().toPodChain(setIngress4, setIngressChains)},
		{exprs: append(isFamily(source6().family), goTo(chainForward6))},
	}}
}

// hostChain judges what ends or starts at the node itself, which is evaluated
// only if it comes from a pod's address.
func hostChain(name string, hook *nftables.ChainHook) chain {
	return chain{name: name, hook: hook, rules: []rule{
		acceptEstablished(),
		{exprs: source4().toPodChain(setEgress4, setEgressChains)},
		{exprs: append(isFamily(source6().family), goTo(chainHost6))},
	}}
}

func forwardChain6() chain {
	return chain{name: chainForward6, rules: []rule{
		acceptNeighbourDiscovery(),
		{exprs: source6().toPodChain(setEgress6, setEgressChains)},
		{exprs: destination6().toPodChain(setIngress6, setIngressChains)},
	}}
}

func hostChain6() chain {
	return chain{name: chainHost6, rules: []rule{
		acceptNeighbourDiscovery(),
		{exprs: source6().toPodChain(setEgress6, setEgressChains)},
	}}
}

func egressAcceptedChain() chain {
	return chain{name: chainEgressAccepted, rules: []rule{
		{exprs: destination4().toPodChain(setIngress4, setIngressChains)},
		{exprs: destination6().toPodChain(setIngress6, setIngressChains)},
		{exprs: accept()},
	}}
}

// classChain looks an address up: in the endpoints, else in the networks, which
// have an answer for every address.
func classChain(name string, ip4, ip6 address) chain {
	c := chain{name: name}
	for _, a := range []struct {
		address             address
		endpoints, networks string
	}{{ip4, setEndpoints4, setNetworks4}, {ip6, setEndpoints6, setNetworks6}} {
		c.rules = append(c.rules,
			rule{exprs: append(a.address.setClass(a.endpoints), &expr.Verdict{Kind: expr.VerdictReturn})},
			rule{exprs: append(a.address.setClass(a.networks), &expr.Verdict{Kind: expr.VerdictReturn})},
		)
	}
	return c
}

func acceptEstablished() rule {
	return rule{exprs: append(isEstablished(), &expr.Verdict{Kind: expr.VerdictAccept})}
}

func acceptNeighbourDiscovery() rule {
	return rule{exprs: append(isICMPv6(setNeighbourDiscovery), &expr.Verdict{Kind: expr.VerdictAccept})}
}

// neighbourDiscovery holds the ICMPv6 types that IPv6 itself needs: neighbour
// discovery (133 to 137) and multicast listener discovery (130 to 132, 143).
func neighbourDiscovery() set {
	s := newSet(setNeighbourDiscovery, kindICMPv6)
	for _, t := range slices.Concat([]byte{143}, []byte{130, 131, 132}, []byte{133, 134, 135, 136, 137}) {
		s.add(element{elementKey: elementKey{key: string([]byte{t})}})
	}
	return s
}
