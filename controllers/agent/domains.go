// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

// proxy is what the agent needs of the DNS proxy.
type proxy interface {
	// Known returns what was learned before; the first ruleset has it.
	Known() []dns.Domain
	// Run answers queries until ctx ends.
	Run(ctx context.Context) error
	// Bounds returns the proxy's bounds, and how often each was hit. It may be
	// called while Run runs.
	Bounds() []dns.Bound
}

// sourceDomains is the name of the source that is the DNS proxy.
const sourceDomains = "domainnames"

// Domains stands between the DNS proxy and the agent: it tells the proxy what
// policies ask for, and the agent what the proxy learned. Its methods may be
// called concurrently.
type Domains struct {
	trusted sets.Set[string]
	// patterns are the names and wildcards that rules have. What is published is
	// not changed any more: the proxy reads it.
	patterns atomic.Pointer[ruleset.DomainIndex[struct{}]]
	out      chan<- message

	mu sync.RWMutex
	// untrusted counts the pods outside of trusted namespaces that have an
	// address. It is for all pods of the cluster: what else there is to know of
	// them the compiler has.
	untrusted map[netip.Addr]int32
}

// NewDomains returns a Domains that knows of no policy and no pod yet. DNS
// servers that are pods are believed only in these namespaces.
func NewDomains(trustedNamespaces []string) *Domains {
	d := &Domains{
		trusted:   sets.New(trustedNamespaces...),
		untrusted: map[netip.Addr]int32{},
	}
	d.publish(nil)
	return d
}

// publish sets the names and wildcards that rules in use have.
func (d *Domains) publish(names []string) {
	patterns := ruleset.NewDomainIndex[struct{}]()
	for _, name := range names {
		patterns.Set(name, struct{}{})
	}
	d.patterns.Store(patterns)
}

// MatchDomain reports whether some rule in use names the domain, which is in
// lower case and without trailing dot.
func (d *Domains) MatchDomain(name string) bool {
	for range d.patterns.Load().Match(name) {
		return true
	}
	return false
}

// TrustServer reports whether what a DNS server answers may be learned: it is no
// pod, or one of a trusted namespace. If any pod could choose the addresses of a
// name, a rule with that name would let it reach whatever it likes.
func (d *Domains) TrustServer(server netip.Addr) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.untrusted[server] == 0
}

// EnforceDomains returns nil once the kernel enforces these addresses for these
// names.
func (d *Domains) EnforceDomains(ctx context.Context, domains []dns.Domain) error {
	m := message{source: sourceDomains, received: time.Now(), done: make(chan struct{})}
	for _, domain := range domains {
		m.steps = append(m.steps, func(c *ruleset.Compiler) { c.SetDomain(domain.Name, domain.Addresses) })
	}
	select {
	case d.out <- m:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch returns a kind of pods whose addresses are noted together with anything
// else that is made of them.
func (d *Domains) watch(pods kind) kind {
	watched := pods
	watched.set = func(o client.Object) step {
		return d.note(client.ObjectKeyFromObject(o), pods.set(o))
	}
	watched.remove = func(key types.NamespacedName) step {
		return d.note(key, pods.remove(key))
	}
	return watched
}

// note returns the step of a pod, and takes down which addresses it gave the pod
// and took from it.
func (d *Domains) note(pod types.NamespacedName, s step) step {
	if d.trusted.Has(pod.Namespace) {
		return s
	}
	return func(c *ruleset.Compiler) {
		before := c.PodAddresses(pod.Namespace, pod.Name)
		s(c)
		// In this order, an address that stays is counted all the time.
		d.count(c.PodAddresses(pod.Namespace, pod.Name), +1)
		d.count(before, -1)
	}
}

// count counts the pod that has, or had, these addresses.
func (d *Domains) count(addresses []netip.Addr, by int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range addresses {
		if d.untrusted[a] += by; d.untrusted[a] == 0 {
			delete(d.untrusted, a)
		}
	}
}
