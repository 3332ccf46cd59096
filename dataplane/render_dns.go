// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"github.com/tierwall/tierwall/dataplane/dns/redirect"
	"github.com/tierwall/tierwall/ruleset"
)

// needsDNS reports whether the DNS queries of any pod have to be seen.
func needsDNS(rs *ruleset.Ruleset) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(rs.Subjects)), func(s ruleset.Subject) bool { return s.Domains })
}

// renderDNS returns what brings DNS queries to the proxy, which listens at these
// addresses: those of the pods that rules with domain names apply to. It is
// nothing if there is no such pod.
func renderDNS(rs *ruleset.Ruleset, proxy []netip.AddrPort) piece {
	if len(proxy) == 0 || !needsDNS(rs) {
		return piece{}
	}
	sets := [2]set{newSet(setDNS4, kindPods4), newSet(setDNS6, kindPods6)}
	for address, subject := range rs.Subjects {
		if subject.Domains {
			sets[familyIndex(address)].add(element{
				elementKey: elementKey{key: string(address.AsSlice())},
				comment:    shorten(printable(subject.Pod), commentLimit),
			})
		}
	}
	return renderDNSChains(proxy, sets)
}

// renderDNSChains returns the piece with the sets of pods, IPv4 first.
func renderDNSChains(proxy []netip.AddrPort, sets [2]set) piece {
	p := piece{sets: sets[:]}
	var listeners []redirect.Listener
	for _, a := range proxy {
		listeners = append(listeners, redirect.Listener{Address: a, Pods: sets[familyIndex(a.Addr())].name})
	}
	for _, c := range redirect.Chains(listeners...) {
		p.chains = append(p.chains, dnsChain(c))
	}
	return p
}

func dnsChain(from redirect.Chain) chain {
	c := chain{name: from.Name}
	if from.Base {
		c.hook, c.priority = nftables.ChainHookPrerouting, redirect.Priority()
	}
	for _, exprs := range from.Rules {
		c.rules = append(c.rules, rule{exprs: exprs})
	}
	return c
}

// familyIndex is the address's place in arrays that have IPv4 first.
func familyIndex(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
