// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// localityTime is how long it is believed whose an address is. Nodes rarely
	// change theirs.
	localityTime = 5 * time.Second
	// localityLimit bounds the servers that are remembered: pods can ask any.
	localityLimit = 1024
)

// locality tells which servers are on this host, and remembers it for a while.
type locality struct {
	routes *netlink.Handle

	mu    sync.Mutex
	known map[netip.Addr]located
}

type located struct {
	local bool
	until time.Time
}

func newLocality(routes *netlink.Handle) *locality {
	return &locality{routes: routes, known: map[netip.Addr]located{}}
}

// isLocal tells whether an address is one of the host's.
func (l *locality) isLocal(server netip.Addr) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if known, ok := l.known[server]; ok && now.Before(known.until) {
		return known.local, nil
	}
	routes, err := l.routes.RouteGet(server.AsSlice())
	if err != nil {
		return false, fmt.Errorf("find route to DNS server %s: %w", server, err)
	}
	if len(l.known) >= localityLimit {
		clear(l.known)
	}
	local := len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
	l.known[server] = located{local: local, until: now.Add(localityTime)}
	return local, nil
}
