// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/go-logr/logr"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/tierwall/tierwall/ruleset"
)

// bufferSize is what the netlink socket may hold, in bytes: a whole batch is
// sent at once, and each of its messages is answered. Memory is used only as
// needed.
const bufferSize = 256 << 20

// Config says where and how to work.
type Config struct {
	// Netns is a file descriptor of the network namespace to work in, which the
	// caller keeps open; 0 is the one of the calling thread.
	Netns int
	// DNSProxy is where the DNS proxy listens: at most one loopback address of
	// each family, at which the port is that of both UDP and TCP. Without one, no
	// queries are brought to it.
	DNSProxy []netip.AddrPort
	// Logger gets what a person should know; the zero value logs nothing.
	Logger logr.Logger
}

// Dataplane keeps the kernel's table of a node. Its methods may be called
// concurrently.
type Dataplane struct {
	config  Config
	changed chan struct{}
	monitor *monitor

	mu sync.Mutex
	// conn is nil after a failure, until it is needed again.
	conn *nftables.Conn
	// mirror is nil while it is not known what the kernel's table holds.
	mirror *mirror
	// stubborn is true after a take-over failed.
	stubborn bool
	routes   routes
}

// Result says what an Apply did.
type Result struct {
	// Messages is the count of netlink messages sent; 0 if nothing differed.
	Messages int
	// Elements is the count of set elements added and removed.
	Elements int
	// TookOver is true if the whole table was written anew.
	TookOver bool
	// Unreloadable is true if, since the table was written anew, there were so
	// many classes or rows (65,536 and more) that a listing of the table cannot
	// be loaded back; the kernel decides correctly nevertheless.
	Unreloadable bool
}

// New checks that the kernel has what is needed and opens the connections to
// it. It changes nothing. The error says what is missing and the remedy.
func New(cfg Config) (*Dataplane, error) {
	if err := preflight(cfg); err != nil {
		return nil, err
	}
	d := &Dataplane{config: cfg, changed: make(chan struct{}, 1)}
	if err := d.connect(); err != nil {
		return nil, err
	}
	return d, nil
}

// connect opens the connection for changes, and the monitor, which is told not
// to report what comes from that connection.
func (d *Dataplane) connect() error {
	var port uint32
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(d.config.Netns), nftables.WithSockOptions(
		func(c *netlink.Conn) error { port = c.PID(); return nil },
		func(c *netlink.Conn) error { return c.SetReadBuffer(bufferSize) },
		func(c *netlink.Conn) error { return c.SetWriteBuffer(bufferSize) },
	))
	if err != nil {
		return fmt.Errorf("open netlink connection: %w", err)
	}
	if d.monitor == nil {
		d.monitor, err = newMonitor(d.config, d.changed)
	}
	if err == nil {
		err = d.monitor.ignore(port)
	}
	if err != nil {
		return errors.Join(err, conn.CloseLasting())
	}
	d.conn = conn
	return nil
}

// Apply brings the kernel's table to what rs says; for packets it is one change.
// The first call takes over whatever table is there. Later calls look only at
// what delta names, or at everything if delta is nil, and send nothing if nothing
// differs; but if a map has no room for what comes, the whole table is written anew.
//
// rs must not change during the call. After an error the kernel decides as it
// did before (or as rs says, if only the removal of what nothing leads to any more
// failed), and the next call, whatever its delta, brings all of the table up to
// date; so a failed delta need not be kept.
func (d *Dataplane) Apply(ctx context.Context, rs *ruleset.Ruleset, delta *ruleset.Delta) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mirror == nil {
		return d.takeOver(ctx, rs)
	}
	m := d.mirror
	if delta == nil || len(delta.Subjects) > 0 {
		m.proxy = d.proxyFor(rs)
	}
	t, err := m.update(rs, delta)
	if err != nil {
		d.mirror = nil
		return Result{}, err
	}
	if outgrown := m.makeRoom(t); outgrown != "" {
		d.config.Logger.Info("The nftables table is written anew with more room; all counters begin at zero", "outgrown", outgrown)
		return d.takeOver(ctx, rs)
	}
	return d.commit(ctx, m, t)
}

// Resync writes the whole table anew, whatever became of it; for packets it is
// one change.
func (d *Dataplane) Resync(ctx context.Context, rs *ruleset.Ruleset) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.takeOver(ctx, rs)
}

// takeOver writes the whole table. Should the kernel refuse to have the table
// that is there brought in order, or to list it, it is deleted and created in one
// transaction the next time.
func (d *Dataplane) takeOver(ctx context.Context, rs *ruleset.Ruleset) (Result, error) {
	d.mirror = nil
	if d.conn == nil {
		if err := d.connect(); err != nil {
			return Result{}, err
		}
	}
	m := newMirror()
	m.proxy = d.proxyFor(rs)
	t, err := m.update(rs, nil)
	if err != nil {
		return Result{}, err
	}
	m.makeRoom(t) // all sets are new, so there is enough
	if d.stubborn {
		d.config.Logger.Info("The nftables table could not be taken over; it is deleted and created in one transaction")
		t.addTable, t.wipeTable = true, true
	} else {
		found, err := takeInventory(d.conn)
		if err != nil {
			d.stubborn = true
			return Result{}, errors.Join(err, d.disconnect())
		}
		t.takeOver(found)
		m.generation = t.generation
	}
	result, err := d.commit(ctx, m, t)
	if err != nil {
		// What was not sent at all, because ctx has ended, was not refused.
		d.stubborn = d.stubborn || ctx.Err() == nil
		return Result{}, err
	}
	d.stubborn = false
	result.TookOver = true
	return result, nil
}

// commit sends a transaction; if the kernel takes it, m is what it holds.
func (d *Dataplane) commit(ctx context.Context, m *mirror, t *transaction) (Result, error) {
	d.mirror = nil
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	// The transaction is not kept: while it is sent, what was sent may be collected.
	elements, unreloadable := t.size(), t.unreloadable
	messages, err := t.send(d.conn)
	if err != nil {
		return Result{}, errors.Join(fmt.Errorf("apply table inet %s: %w", TableName, err), d.disconnect())
	}
	d.mirror = m
	d.dropRoutes()
	if unreloadable && !m.unreloadable {
		m.unreloadable = true
		d.config.Logger.Info("So many classes of peers are in use that a listing of the nftables table must not be loaded back; "+
			"traffic is judged correctly", "limit", reloadable)
	}
	return Result{Messages: messages, Elements: elements, Unreloadable: m.unreloadable}, nil
}

// disconnect gives up the connection for changes. After a failure it may have
// answers left to read that would be taken for those of the next transaction.
func (d *Dataplane) disconnect() error {
	if d.conn == nil {
		return nil
	}
	err := d.conn.CloseLasting()
	d.conn = nil
	if err != nil {
		return fmt.Errorf("close netlink connection: %w", err)
	}
	return nil
}

// Changed returns a channel that gets a value when somebody else changed the
// table; the caller then calls Resync.
func (d *Dataplane) Changed() <-chan struct{} { return d.changed }

// Close gives up the connections; it is called once. The table stays.
func (d *Dataplane) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.monitor.close(), d.disconnect())
}
