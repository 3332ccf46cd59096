// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	protocolUDP = "udp"
	protocolTCP = "tcp"
)

// maxQuery is more than a query over UDP needs, in bytes. A longer one is cut,
// and so malformed.
const maxQuery = 4096

// serveUDP answers datagrams until the listener is closed.
func (p *Proxy) serveUDP(ctx context.Context, l *listener) {
	var queries sync.WaitGroup
	defer queries.Wait()
	packet, oob := make([]byte, maxQuery), make([]byte, 256)
	for {
		n, oobn, _, from, err := l.udp.ReadMsgUDPAddrPort(packet, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.config.Logger.Error(err, "Cannot read a DNS query")
			continue
		}
		server, err := originalDestination(oob[:oobn])
		if err != nil || server == l.address {
			p.metrics.malformed.WithLabelValues(fromPod).Inc()
			continue
		}
		if !p.admit(ctx, protocolUDP, from.Addr()) {
			continue
		}
		d := datagram{pod: from, server: server, packet: slices.Clone(packet[:n])}
		queries.Go(func() {
			defer p.gate.leave(d.pod.Addr())
			p.answerUDP(ctx, l, d)
		})
	}
}

// datagram is a message from a pod for a server.
type datagram struct {
	pod, server netip.AddrPort
	packet      []byte
}

func (p *Proxy) answerUDP(ctx context.Context, l *listener, d datagram) {
	start := time.Now()
	answer, err := p.resolveUDP(ctx, d)
	if err == nil {
		if err = l.replies.send(d.server, d.pod, answer); err != nil {
			err = fmt.Errorf("send the answer: %w", err)
		}
	}
	if err != nil {
		p.failed(ctx, protocolUDP, d.pod.Addr(), err)
		return
	}
	p.answered(protocolUDP, start)
}

func (p *Proxy) resolveUDP(ctx context.Context, d datagram) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout+p.config.HoldTimeout)
	defer cancel()
	q, err := parseQuery(d.packet)
	if err != nil {
		p.metrics.malformed.WithLabelValues(fromPod).Inc()
		return nil, err
	}
	m, err := p.upstream(d.pod.Addr(), d.server).askUDP(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := p.hold(ctx, d.server.Addr(), q, m); err != nil {
		return nil, err
	}
	return q.reply(m, q.size)
}
