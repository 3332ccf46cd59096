// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/stdr"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/dataplane/dns/redirect"
)

// serveProxy is the proxy process.
func serveProxy(cfg ProxyConfig) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	policy := &policy{config: cfg, open: map[string][]netip.Addr{}, names: map[netip.Addr]int{}}
	registry := prometheus.NewRegistry()
	p, err := dns.New(ctx, dns.Config{
		Policy: policy, Registry: registry, Logger: stdr.New(log.New(os.Stderr, "", 0)),
		StateFile:   filepath.Join(cfg.Dir, "learned"),
		HoldTimeout: cfg.HoldTimeout, MinTTL: cfg.MinTTL, MaxTTL: cfg.MaxTTL, SweepInterval: cfg.SweepInterval,
		Limits: dns.Limits{
			Names: cfg.Names, AddressesPerName: cfg.AddressesPerName, Addresses: cfg.Addresses,
			Queries: cfg.Queries, QueriesPerPod: cfg.QueriesPerPod,
		},
	})
	if err != nil {
		return err
	}
	if err := serveMetrics(ctx, cfg.Dir, registry); err != nil {
		return err
	}
	if err := policy.start(p.Known()); err != nil {
		return err
	}
	if err := redirect.InstallRoutes(unix.AF_INET, unix.AF_INET6); err != nil {
		return err
	}
	if err := bringQueries(p.Addresses()); err != nil {
		return err
	}
	fmt.Println("ready")
	return p.Run(ctx)
}

func serveMetrics(ctx context.Context, dir string, registry *prometheus.Registry) error {
	path := filepath.Join(dir, "metrics.sock")
	// One that was killed leaves it behind.
	_ = os.Remove(path)
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	go func() {
		s := http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: time.Second}
		_ = s.Serve(l)
	}()
	return nil
}

func table() *nftables.Table { return &nftables.Table{Name: "lab", Family: nftables.TableFamilyINet} }

// bringQueries writes the chains that bring the pods' queries to the proxy, in
// one transaction with the removal of the last proxy's.
func bringQueries(addresses []netip.AddrPort) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	var listeners []redirect.Listener
	for _, a := range addresses {
		set := "pods4"
		if a.Addr().Is6() {
			set = "pods6"
		}
		listeners = append(listeners, redirect.Listener{Address: a, Pods: set})
	}
	for _, c := range redirect.Chains(listeners...) {
		chain := &nftables.Chain{Table: table(), Name: c.Name}
		if c.Base {
			priority := redirect.Priority()
			chain.Type, chain.Hooknum, chain.Priority = nftables.ChainTypeFilter, nftables.ChainHookPrerouting, &priority
		}
		conn.AddChain(chain)
		conn.FlushChain(chain)
		for _, exprs := range c.Rules {
			conn.AddRule(&nftables.Rule{Table: table(), Chain: chain, Exprs: exprs})
		}
	}
	return conn.Flush()
}

// policy stands for the compiler and the dataplane: what is learned is put into
// the sets of open addresses.
type policy struct {
	config ProxyConfig
	conn   *nftables.Conn
	open   map[string][]netip.Addr
	// names counts the names of an address.
	names map[netip.Addr]int
}

// MatchDomain compares with the patterns.
func (p *policy) MatchDomain(name string) bool {
	return slices.ContainsFunc(p.config.Patterns, func(pattern string) bool {
		if parent, ok := strings.CutPrefix(pattern, "*"); ok {
			return strings.HasSuffix(name, parent)
		}
		return name == pattern
	})
}

// TrustServer trusts all servers but some.
func (p *policy) TrustServer(server netip.Addr) bool {
	return !slices.Contains(p.config.Untrusted, server.String())
}

// bufferSize is what a transaction of the policy may be large, in bytes.
const bufferSize = 16 << 20

// start fills the sets with what is known, in one transaction.
func (p *policy) start(known []dns.Domain) error {
	var err error
	if p.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(
		func(c *netlink.Conn) error { return c.SetWriteBuffer(bufferSize) },
		func(c *netlink.Conn) error { return c.SetReadBuffer(bufferSize) },
	)); err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	for _, ip6 := range []bool{false, true} {
		p.conn.FlushSet(openSet(ip6))
	}
	return p.EnforceDomains(context.Background(), known)
}

func openSet(ip6 bool) *nftables.Set {
	if ip6 {
		return &nftables.Set{Table: table(), Name: "open6", KeyType: nftables.TypeIP6Addr}
	}
	return &nftables.Set{Table: table(), Name: "open4", KeyType: nftables.TypeIPAddr}
}

// EnforceDomains brings the sets up to date.
func (p *policy) EnforceDomains(ctx context.Context, domains []dns.Domain) error {
	for _, d := range domains {
		if strings.HasSuffix(d.Name, "stuck.example") {
			<-ctx.Done()
			return ctx.Err()
		}
		added, removed := p.replace(d)
		for _, a := range added {
			if err := p.conn.SetAddElements(openSet(a.Is6()), []nftables.SetElement{{Key: a.AsSlice()}}); err != nil {
				return err
			}
		}
		for _, a := range removed {
			if err := p.conn.SetDeleteElements(openSet(a.Is6()), []nftables.SetElement{{Key: a.AsSlice()}}); err != nil {
				return err
			}
		}
	}
	return p.conn.Flush()
}

// replace sets the addresses of a name, and returns which are open from now on,
// and which no longer.
func (p *policy) replace(d dns.Domain) (added, removed []netip.Addr) {
	for _, a := range d.Addresses {
		if p.names[a]++; p.names[a] == 1 {
			added = append(added, a)
		}
	}
	for _, a := range p.open[d.Name] {
		if p.names[a]--; p.names[a] == 0 {
			removed = append(removed, a)
		}
	}
	p.open[d.Name] = d.Addresses
	return added, removed
}
