// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sweep has addresses that had their time forgotten, until ctx ends. An address
// to which there is a connection stays until there is none.
func (p *Proxy) sweep(ctx context.Context) {
	ticks := time.NewTicker(p.config.SweepInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			p.forget(time.Now())
		}
	}
}

// forget looks at the connections only if there is something to forget, as a
// node may have very many.
func (p *Proxy) forget(now time.Time) {
	expired := p.cache.expired(now)
	if len(expired) > 0 {
		used, err := p.inUse(expired)
		if err != nil {
			p.config.Logger.Error(err, "Cannot tell which addresses of domain names are in use; none is closed")
			return
		}
		p.committer.submit(p.cache.expire(now, used, p.config.SweepInterval))
		return
	}
	// Nothing to close, but leases may have grown.
	p.committer.submit(nil)
}

// inUse returns which of the addresses have a connection.
func (p *Proxy) inUse(addresses map[netip.Addr]struct{}) (map[netip.Addr]struct{}, error) {
	used := map[netip.Addr]struct{}{}
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		flows, err := p.conntrack.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
		for _, f := range flows {
			// The reply comes from where the connection really goes.
			a, ok := netip.AddrFromSlice(f.Reverse.SrcIP)
			if _, expired := addresses[a.Unmap()]; ok && expired && open(f) {
				used[a.Unmap()] = struct{}{}
			}
		}
	}
	return used, nil
}

// open tells whether more is to come on a connection: conntrack keeps those
// that ended for minutes.
func open(f *netlink.ConntrackFlow) bool {
	// Of enum tcp_conntrack: SYN_SENT, SYN_RECV, ESTABLISHED.
	const first, last = 1, 3
	tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
	return !ok || (tcp.State >= first && tcp.State <= last)
}
