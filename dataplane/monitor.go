// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// monitor tells when somebody else changes the table.
type monitor struct {
	conn    *netlink.Conn
	logger  logr.Logger
	changed chan<- struct{}
	// closing is closed to end run, which then closes done.
	closing, done chan struct{}
}

// newMonitor starts a monitor that reports to changed, without blocking, until
// it is closed.
func newMonitor(cfg Config, changed chan<- struct{}) (*monitor, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: cfg.Netns})
	if err != nil {
		return nil, fmt.Errorf("open netlink monitor: %w", err)
	}
	if err := conn.SetReadBuffer(bufferSize); err != nil {
		return nil, errors.Join(fmt.Errorf("set buffer of netlink monitor: %w", err), conn.Close())
	}
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return nil, errors.Join(fmt.Errorf("join group of nf_tables changes: %w", err), conn.Close())
	}
	m := &monitor{conn: conn, logger: cfg.Logger, changed: changed, closing: make(chan struct{}), done: make(chan struct{})}
	go m.run()
	return m, nil
}

// ignore has the kernel leave out what the netlink socket of that port changes.
// Otherwise a large table of our own would overflow the monitor.
func (m *monitor) ignore(port uint32) error {
	// Offset of nlmsg_pid. The filter loads in network byte order what the
	// kernel wrote in its own.
	const sender = 12
	raw := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, port))
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: sender, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: raw, SkipTrue: 1},
		bpf.RetConstant{Val: ^uint32(0)},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return fmt.Errorf("assemble monitor filter: %w", err)
	}
	if err := m.conn.SetBPF(filter); err != nil {
		return fmt.Errorf("set monitor filter: %w", err)
	}
	return nil
}

func (m *monitor) run() {
	defer close(m.done)
	for {
		messages, err := m.conn.Receive()
		if err != nil && !m.survives(err) {
			return
		}
		if err != nil || anyConcernsTable(messages) {
			m.report()
		}
	}
}

// survives reports whether the monitor goes on after an error: after lost
// messages, any of which may have been about our table.
func (m *monitor) survives(err error) bool {
	select {
	case <-m.closing:
		return false
	default:
	}
	if errors.Is(err, unix.ENOBUFS) {
		return true
	}
	m.logger.Error(err, "Watching for changes of the nftables table by others has ended; restart the agent")
	return false
}

func (m *monitor) report() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *monitor) close() error {
	close(m.closing)
	err := m.conn.Close()
	<-m.done
	return err
}

func anyConcernsTable(messages []netlink.Message) bool {
	for _, msg := range messages {
		if concernsTable(msg) {
			return true
		}
	}
	return false
}

// concernsTable reports whether a change is one of our table. In all kinds of
// nf_tables message but the generation's, attribute 1 is the table's name.
func concernsTable(msg netlink.Message) bool {
	const header = 4
	isGeneration := msg.Header.Type&0xff == unix.NFT_MSG_NEWGEN
	if isGeneration || len(msg.Data) < header || msg.Data[0] != byte(nftables.TableFamilyINet) {
		return false
	}
	attributes, err := netlink.NewAttributeDecoder(msg.Data[header:])
	if err != nil {
		return true
	}
	for attributes.Next() {
		if attributes.Type() == unix.NFTA_TABLE_NAME {
			return attributes.String() == TableName
		}
	}
	return false
}
