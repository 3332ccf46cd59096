// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	// queryTimeout is how long a server has to answer: as long as the usual
	// client waits.
	queryTimeout = 5 * time.Second
	// maxWrong is how many datagrams that are no answer may come for one
	// question. More than a few are somebody who tries to guess the ID.
	maxWrong = 3
)

// upstream asks the server that a pod asked.
type upstream struct {
	pod      netip.Addr
	server   netip.AddrPort
	locality *locality
	// onWrong is called for each message that is no answer.
	onWrong func()
	// stream is the connection for questions over TCP, which the first opens.
	stream *dns.Conn
}

// dial opens a socket with the pod's address and a random port. A server on this
// host would answer to the pod directly, past the socket; it is asked from the
// host's address. The pod's egress policies were asked about it when the pod's
// own packet came in.
func (u *upstream) dial(ctx context.Context, network string) (net.Conn, error) {
	local, err := u.locality.isLocal(u.server.Addr())
	if err != nil {
		return nil, err
	}
	d := net.Dialer{}
	if !local {
		d.Control = control(u.pod.Is6(), false)
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(u.pod, 0))
		if network == "tcp" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(u.pod, 0))
		}
	}
	conn, err := d.DialContext(ctx, network, u.server.String())
	if err != nil {
		return nil, fmt.Errorf("reach DNS server: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return conn, err
}

// askUDP asks with a socket of its own, so that an answer has to name a port
// and an ID that nobody else knows.
func (u *upstream) askUDP(ctx context.Context, q *query) (*dns.Msg, error) {
	conn, err := u.dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	id := randomID()
	if _, err := conn.Write(q.forward(id)); err != nil {
		return nil, fmt.Errorf("ask DNS server: %w", err)
	}
	buffer := make([]byte, q.size+1)
	for range maxWrong {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, fmt.Errorf("DNS server %s does not answer: %w", u.server, err)
		}
		m, err := q.parseAnswer(buffer[:n], id)
		if err == nil {
			return m, nil
		}
		u.onWrong()
	}
	return nil, fmt.Errorf("from DNS server %s come messages that are no answer: %w", u.server, errNotOurs)
}

// askTCP asks on the one connection for the pod's connection.
func (u *upstream) askTCP(ctx context.Context, q *query) (*dns.Msg, error) {
	if u.stream == nil {
		conn, err := u.dial(ctx, "tcp")
		if err != nil {
			return nil, err
		}
		u.stream = &dns.Conn{Conn: conn}
	}
	deadline, _ := ctx.Deadline()
	id := randomID()
	if err := errors.Join(u.stream.SetDeadline(deadline), writeStream(u.stream, q.forward(id))); err != nil {
		return nil, err
	}
	packet, err := u.stream.ReadMsgHeader(nil)
	if err != nil {
		return nil, fmt.Errorf("DNS server %s does not answer: %w", u.server, err)
	}
	m, err := q.parseAnswer(packet, id)
	if err != nil {
		u.onWrong()
	}
	return m, err
}

func (u *upstream) close() {
	if u.stream != nil {
		_ = u.stream.Close()
	}
}

// writeStream writes a message with its length in front.
func writeStream(c *dns.Conn, packet []byte) error {
	if _, err := c.Write(packet); err != nil {
		return fmt.Errorf("send DNS message over TCP: %w", err)
	}
	return nil
}

func randomID() uint16 {
	var b [2]byte
	// It never fails: see crypto/rand.
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}
