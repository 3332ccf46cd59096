// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
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
}

// sourceDomains is the name of the source that is the DNS proxy.
const sourceDomains = "domainnames"

// Domains stands between the DNS proxy and the agent: it tells the proxy what
// policies ask for, and the agent what the proxy learned. Its methods may be
// called concurrently.
type Domains struct {
	trusted  sets.Set[string]
	patterns atomic.Pointer[patterns]
	out      chan<- message

	mu sync.RWMutex
	// servers are the namespaces of the pods that have an address.
	servers map[netip.Addr]map[types.NamespacedName]struct{}
	// addresses are those of the pods.
	addresses map[types.NamespacedName][]netip.Addr
}

// NewDomains returns a Domains that knows of no policy and no pod yet. DNS
// servers that are pods are believed only in these namespaces.
func NewDomains(trustedNamespaces []string) *Domains {
	d := &Domains{
		trusted:   sets.New(trustedNamespaces...),
		servers:   map[netip.Addr]map[types.NamespacedName]struct{}{},
		addresses: map[types.NamespacedName][]netip.Addr{},
	}
	d.publish(nil)
	return d
}

// patterns are the names that rules have.
type patterns struct {
	exact sets.Set[string]
	// below are the names that a wildcard stands before.
	below sets.Set[string]
}

// publish sets the names and wildcards that rules in use have.
func (d *Domains) publish(names []string) {
	p := &patterns{exact: sets.New[string](), below: sets.New[string]()}
	for _, name := range names {
		if parent, wildcard := strings.CutPrefix(name, "*."); wildcard {
			p.below.Insert(parent)
		} else {
			p.exact.Insert(name)
		}
	}
	d.patterns.Store(p)
}

// MatchDomain reports whether some rule in use names the domain, which is in
// lower case and without trailing dot.
func (d *Domains) MatchDomain(name string) bool {
	p := d.patterns.Load()
	if p.exact.Has(name) {
		return true
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		if p.below.Has(parent) {
			return true
		}
		name = parent
	}
}

// TrustServer reports whether what a DNS server answers may be learned: it is no
// pod, or one of a trusted namespace. If any pod could choose the addresses of a
// name, a rule with that name would let it reach whatever it likes.
func (d *Domains) TrustServer(server netip.Addr) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for pod := range d.servers[server] {
		if !d.trusted.Has(pod.Namespace) {
			return false
		}
	}
	return true
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

// watch returns a kind of pods whose addresses are noted, before anything else
// is made of them.
func (d *Domains) watch(pods kind) kind {
	watched := pods
	watched.set = func(o client.Object) step {
		key := client.ObjectKeyFromObject(o)
		if pod, ok := ruleset.PodFrom(o.(*corev1.Pod)); ok {
			d.setPod(key, pod.Addresses)
		} else {
			d.setPod(key, nil)
		}
		return pods.set(o)
	}
	watched.remove = func(key types.NamespacedName) step {
		d.setPod(key, nil)
		return pods.remove(key)
	}
	return watched
}

// setPod sets the addresses of a pod.
func (d *Domains) setPod(pod types.NamespacedName, addresses []netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.addresses[pod] {
		if delete(d.servers[a], pod); len(d.servers[a]) == 0 {
			delete(d.servers, a)
		}
	}
	if delete(d.addresses, pod); len(addresses) == 0 {
		return
	}
	d.addresses[pod] = addresses
	for _, a := range addresses {
		if d.servers[a] == nil {
			d.servers[a] = map[types.NamespacedName]struct{}{}
		}
		d.servers[a][pod] = struct{}{}
	}
}
