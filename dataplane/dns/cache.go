// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// leaseSlack is added to every TTL: the pod counts from when it got the answer,
// and may connect in its last second.
const leaseSlack = 10 * time.Second

// lease is the time for which an address of a name is kept.
type lease struct {
	expires time.Time
	// enforced is true once the kernel has the address.
	enforced bool
	// stored is the end of the lease that the journal has.
	stored time.Time
}

// cache holds what was learned. It knows no kernel and no clock.
type cache struct {
	limits Limits
	minTTL time.Duration
	maxTTL time.Duration

	mu        sync.Mutex
	names     map[string]map[netip.Addr]*lease
	addresses int
	// grown are names with leases that the journal may not have.
	grown map[string]struct{}
}

func newCache(cfg Config) *cache {
	return &cache{
		limits: cfg.Limits, minTTL: cfg.MinTTL, maxTTL: cfg.MaxTTL,
		names: map[string]map[netip.Addr]*lease{}, grown: map[string]struct{}{},
	}
}

// learn enters the records for all the names, or nothing and a *boundError. It
// reports whether the kernel has all of them already; if not, the names have to
// be committed.
func (c *cache) learn(now time.Time, names []string, records []record) (enforced bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if err := c.makeRoom(name, records); err != nil {
			return false, err
		}
	}
	enforced = true
	for _, name := range names {
		for _, r := range records {
			enforced = c.extend(name, r, now).enforced && enforced
		}
	}
	return enforced, nil
}

// extend enters an address of a name for a time, or for longer.
func (c *cache) extend(name string, r record, now time.Time) *lease {
	leases := c.names[name]
	if leases == nil {
		leases = map[netip.Addr]*lease{}
		c.names[name] = leases
	}
	l := leases[r.address]
	if l == nil {
		l = &lease{}
		leases[r.address] = l
		c.addresses++
	}
	if expires := now.Add(min(max(r.ttl, c.minTTL), c.maxTTL) + leaseSlack); expires.After(l.expires) {
		l.expires = expires
		c.grown[name] = struct{}{}
	}
	return l
}

// makeRoom checks the bounds. A name that gives other addresses all the time
// goes on to work: those that would end first make room.
func (c *cache) makeRoom(name string, records []record) error {
	leases := c.names[name]
	fresh := map[netip.Addr]bool{}
	for _, r := range records {
		fresh[r.address] = leases[r.address] == nil
	}
	added := 0
	for _, isNew := range fresh {
		if isNew {
			added++
		}
	}
	switch {
	case leases == nil && len(c.names) >= c.limits.Names:
		return &boundError{BoundNames, c.limits.Names, name}
	case len(fresh) > c.limits.AddressesPerName:
		return &boundError{BoundAddressesPerName, c.limits.AddressesPerName, name}
	}
	c.evict(leases, len(leases)+added-c.limits.AddressesPerName, fresh)
	if c.addresses+added > c.limits.Addresses {
		return &boundError{BoundAddresses, c.limits.Addresses, name}
	}
	return nil
}

// evict removes that many leases, the first to end first, but none of keep.
func (c *cache) evict(leases map[netip.Addr]*lease, count int, keep map[netip.Addr]bool) {
	if count <= 0 {
		return
	}
	var old []netip.Addr
	for a := range leases {
		if _, kept := keep[a]; !kept {
			old = append(old, a)
		}
	}
	slices.SortFunc(old, func(a, b netip.Addr) int {
		if by := leases[a].expires.Compare(leases[b].expires); by != 0 {
			return by
		}
		return a.Compare(b)
	})
	for _, a := range old[:count] {
		delete(leases, a)
		c.addresses--
	}
}

// snapshot returns what the names stand for now, with the leases, whose enforced
// is to be set with confirm once the kernel has them.
func (c *cache) snapshot(names []string) ([]Domain, []*lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	domains := make([]Domain, 0, len(names))
	var leases []*lease
	for _, name := range names {
		d := Domain{Name: name}
		for a, l := range c.names[name] {
			d.Addresses = append(d.Addresses, a)
			leases = append(leases, l)
		}
		slices.SortFunc(d.Addresses, netip.Addr.Compare)
		domains = append(domains, d)
	}
	return domains, leases
}

// all returns the names, sorted.
func (c *cache) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.names))
}

// confirm notes that the kernel has what the leases are for.
func (c *cache) confirm(leases []*lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leases {
		l.enforced = true
	}
}

// expired returns the addresses that have had their time, each once.
func (c *cache) expired(now time.Time) map[netip.Addr]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	addresses := map[netip.Addr]struct{}{}
	for _, leases := range c.names {
		for a, l := range leases {
			if !l.expires.After(now) {
				addresses[a] = struct{}{}
			}
		}
	}
	return addresses
}

// expire removes what has had its time, except that addresses in use stay for a
// while longer. It returns the names that lost addresses, sorted.
func (c *cache) expire(now time.Time, inUse map[netip.Addr]struct{}, grace time.Duration) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name, leases := range c.names {
		before := len(leases)
		for a, l := range leases {
			if l.expires.After(now) {
				continue
			}
			if _, used := inUse[a]; used {
				l.expires = now.Add(grace)
				continue
			}
			delete(leases, a)
			c.addresses--
		}
		if len(leases) < before {
			names = append(names, name)
		}
		if len(leases) == 0 {
			delete(c.names, name)
		}
	}
	slices.Sort(names)
	return names
}

// size returns how many names and addresses there are.
func (c *cache) size() (names, addresses int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.names), c.addresses
}
