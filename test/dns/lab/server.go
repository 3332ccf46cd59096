// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"

	"github.com/miekg/dns"
)

// namespace is a network namespace of whatever kind.
type namespace interface {
	// Do runs a function in it.
	Do(fn func() error) error
}

// ServeDNS answers UDP and TCP at an address and port of a namespace until stop
// is called.
func ServeDNS(n namespace, address string, handler dns.Handler) (stop func(), err error) {
	udp, tcp := &dns.Server{Handler: handler}, &dns.Server{Handler: handler}
	err = n.Do(func() error {
		var err error
		if udp.PacketConn, err = net.ListenPacket("udp", address); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		if tcp.Listener, err = net.Listen("tcp", address); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range []*dns.Server{udp, tcp} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			// It ends with what Shutdown did to its socket.
			_ = s.ActivateAndServe()
		}()
		<-started
	}
	return func() {
		_ = udp.Shutdown()
		_ = tcp.Shutdown()
	}, nil
}

// ServeInternet accepts connections at all addresses of the outside, port 443,
// until stop is called.
func (l *Lab) ServeInternet() (stop func(), err error) { return ServeTCP(l.Outside) }

// ServeTCP accepts connections at all addresses of a namespace, port 443, until
// stop is called.
func ServeTCP(n namespace) (stop func(), err error) {
	var listener net.Listener
	err = n.Do(func() error {
		var err error
		listener, err = net.Listen("tcp", ":443")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen outside: %w", err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				// Until the pod is done with it.
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}()
		}
	}()
	return func() { _ = listener.Close() }, nil
}
