// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

// Proxy is the transparent DNS proxy of one network namespace.
type Proxy struct {
	config    Config
	cache     *cache
	journal   *journal
	committer *committer
	gate      *gate
	metrics   *metrics
	tallies   []*tally
	listeners []*listener
	// routes and conntrack ask the kernel.
	routes, conntrack *netlink.Handle
	locality          *locality
	// complaints bounds what pods can make the proxy log.
	complaints rate.Sometimes
}

// New reads what was learned before, and opens the proxy's sockets in the
// network namespace of the calling thread; no query is brought to them before
// the kernel is told to. An error says what is missing and the remedy.
func New(ctx context.Context, cfg Config) (*Proxy, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Proxy{
		config: cfg, cache: newCache(cfg), gate: newGate(cfg.Limits), metrics: newMetrics(),
		tallies: newTallies(cfg.Limits), complaints: rate.Sometimes{Interval: time.Second},
	}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.committer = newCommitter(p.cache, p.journal, cfg)
	return p, nil
}

func (p *Proxy) open(ctx context.Context) error {
	j, entries, err := openJournal(p.config.StateFile, time.Now())
	if err != nil {
		return err
	}
	p.journal = j
	p.cache.restore(entries)
	if p.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open route netlink: %w", err)
	}
	p.locality = newLocality(p.routes)
	if p.conntrack, err = netlink.NewHandle(unix.NETLINK_NETFILTER); err != nil {
		return fmt.Errorf("open conntrack netlink: %w", err)
	}
	for _, loopback := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		l, err := listen(ctx, loopback)
		if loopback.Is6() && noIPv6(err) {
			continue
		}
		if err != nil {
			return err
		}
		p.listeners = append(p.listeners, l)
	}
	return p.metrics.register(p.config.Registry, p)
}

// noIPv6 tells whether the host has no IPv6, and so have its pods.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)
}

// Addresses returns where the proxy listens: at most one loopback address of
// each family, at which the port is that of both UDP and TCP.
func (p *Proxy) Addresses() []netip.AddrPort {
	var addresses []netip.AddrPort
	for _, l := range p.listeners {
		addresses = append(addresses, l.address)
	}
	return addresses
}

// Known returns all that is learned, sorted by name. The kernel is to enforce
// what a new proxy knows before it is first brought a query.
func (p *Proxy) Known() []Domain {
	domains, _ := p.cache.snapshot(p.cache.all())
	return domains
}

// Run answers queries until ctx ends. It may be called once; the proxy is then
// closed.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() { p.committer.run(ctx) })
	parts.Go(func() { p.sweep(ctx) })
	for _, l := range p.listeners {
		parts.Go(func() { p.serveUDP(ctx, l) })
		parts.Go(func() { p.serveTCP(ctx, l) })
	}
	// What the last run knew counts as enforced after this.
	p.committer.submit(p.cache.all())
	<-ctx.Done()
	err := p.closeSockets()
	parts.Wait()
	p.committer.write()
	return errors.Join(err, p.closeHandles())
}

// Close gives up the sockets and files of a proxy that was not run.
func (p *Proxy) Close() error { return errors.Join(p.closeSockets(), p.closeHandles()) }

func (p *Proxy) closeSockets() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

func (p *Proxy) closeHandles() error {
	for _, h := range []*netlink.Handle{p.routes, p.conntrack} {
		if h != nil {
			h.Close()
		}
	}
	if p.journal == nil {
		return nil
	}
	return p.journal.close()
}

// errHold says that the kernel did not have the addresses in time.
var errHold = errors.New("the answer's addresses are not enforced in time")

// hold returns nil once the pod may have the answer, all of whose addresses that
// matter are in the kernel then.
func (p *Proxy) hold(ctx context.Context, server netip.Addr, q *query, m *dns.Msg) error {
	names, records := q.learn(m)
	names = slices.DeleteFunc(names, func(n string) bool { return !p.config.Policy.MatchDomain(n) })
	if len(names) == 0 || len(records) == 0 {
		return nil
	}
	if !p.config.Policy.TrustServer(server) {
		p.metrics.untrusted.Inc()
		return nil
	}
	limitTTL(m, p.config.MaxTTL)
	enforced, err := p.cache.learn(time.Now(), names, records)
	if err != nil || enforced {
		return err
	}
	start := time.Now()
	defer func() { p.metrics.holds.Observe(time.Since(start).Seconds()) }()
	timeout := time.NewTimer(p.config.HoldTimeout)
	defer timeout.Stop()
	select {
	case <-p.committer.submit(names):
		return nil
	case <-timeout.C:
		return errHold
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed counts a query that is not answered, and why.
func (p *Proxy) failed(ctx context.Context, protocol string, pod netip.Addr, err error) {
	if ctx.Err() != nil {
		return
	}
	result := resultNoAnswer
	var bound *boundError
	switch {
	case errors.Is(err, errNoMessage), errors.Is(err, errNoQuery), errors.Is(err, errNotOurs):
		result = resultMalformed
	case errors.Is(err, errHold):
		result = resultHoldTimeout
	case errors.As(err, &bound):
		result = resultBound
		p.hit(bound.bound)
	}
	p.metrics.queries.WithLabelValues(protocol, result).Inc()
	p.complaints.Do(func() {
		p.config.Logger.Info("A DNS query is not answered; of several in a second, one is logged",
			"pod", pod.String(), "protocol", protocol, "reason", err.Error())
	})
}

// answered counts a query whose answer the pod got.
func (p *Proxy) answered(protocol string, start time.Time) {
	p.metrics.queries.WithLabelValues(protocol, resultAnswered).Inc()
	p.metrics.durations.WithLabelValues(protocol).Observe(time.Since(start).Seconds())
}

// upstream returns the way to the server that a pod asked.
func (p *Proxy) upstream(pod netip.Addr, server netip.AddrPort) *upstream {
	return &upstream{
		pod: pod, server: server, locality: p.locality,
		onWrong: p.metrics.malformed.WithLabelValues(fromServer).Inc,
	}
}

// admit lets a query in, or counts and drops it.
func (p *Proxy) admit(ctx context.Context, protocol string, pod netip.Addr) bool {
	bound := p.gate.enter(pod)
	if bound == "" {
		return true
	}
	limit := p.config.Limits.Queries
	if bound == BoundQueriesPerPod {
		limit = p.config.Limits.QueriesPerPod
	}
	p.failed(ctx, protocol, pod, &boundError{bound: bound, limit: limit})
	return false
}
