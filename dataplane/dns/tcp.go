// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// tcpIdleTimeout is how long a pod's connection stays open without a query.
const tcpIdleTimeout = 10 * time.Second

// serveTCP serves connections until the listener is closed.
func (p *Proxy) serveTCP(ctx context.Context, l *listener) {
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := l.tcp.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.config.Logger.Error(err, "Cannot accept a DNS connection")
			// Out of file descriptors, most likely: let some be closed.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		pod, server := endOf(conn.RemoteAddr()), endOf(conn.LocalAddr())
		if server == l.address || !p.admit(ctx, protocolTCP, pod.Addr()) {
			_ = conn.Close()
			continue
		}
		connections.Go(func() {
			defer p.gate.leave(pod.Addr())
			p.serveConnection(ctx, &stream{Conn: &dns.Conn{Conn: conn}, pod: pod.Addr(), server: server})
		})
	}
}

func endOf(a net.Addr) netip.AddrPort {
	end := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
}

// stream is a pod's connection to a server.
type stream struct {
	*dns.Conn
	pod    netip.Addr
	server netip.AddrPort
}

// serveConnection answers the queries on a connection one after the other. One
// that cannot be answered ends it, as the pod would wait in vain otherwise.
func (p *Proxy) serveConnection(ctx context.Context, s *stream) {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	defer func() { _ = s.Close() }()
	up := p.upstream(s.pod, s.server)
	defer up.close()
	for {
		if err := s.SetReadDeadline(time.Now().Add(tcpIdleTimeout)); err != nil {
			return
		}
		packet, err := s.ReadMsgHeader(nil)
		if ended(err) {
			return
		}
		start := time.Now()
		if err == nil {
			err = p.answerTCP(ctx, s, up, packet)
		} else {
			p.metrics.malformed.WithLabelValues(fromPod).Inc()
			err = errors.Join(errNoMessage, err)
		}
		if err != nil {
			p.failed(ctx, protocolTCP, s.pod, err)
			return
		}
		p.answered(protocolTCP, start)
	}
}

// ended tells whether the pod has no more queries.
func ended(err error) bool {
	var failure *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &failure)
}

func (p *Proxy) answerTCP(ctx context.Context, s *stream, up *upstream, packet []byte) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout+p.config.HoldTimeout)
	defer cancel()
	q, err := parseQuery(packet)
	if err != nil {
		p.metrics.malformed.WithLabelValues(fromPod).Inc()
		return err
	}
	m, err := up.askTCP(ctx, q)
	if err != nil {
		return err
	}
	if err := p.hold(ctx, s.server.Addr(), q, m); err != nil {
		return err
	}
	answer, err := q.reply(m, dns.MaxMsgSize)
	if err != nil {
		return err
	}
	return errors.Join(s.SetWriteDeadline(time.Now().Add(queryTimeout)), writeStream(s.Conn, answer))
}
