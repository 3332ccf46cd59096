// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Ask asks a server from the pod, over "udp" or "tcp".
func (p *Pod) Ask(network, server string, m *dns.Msg, timeout time.Duration) (answer *dns.Msg, err error) {
	err = p.Do(func() error {
		c := dns.Client{Net: network, Timeout: timeout}
		answer, _, err = c.Exchange(m, net.JoinHostPort(server, "53"))
		return err
	})
	return answer, err
}

// Resolve asks for the addresses of a name, A or AAAA.
func (p *Pod) Resolve(server, name string, qtype uint16) ([]netip.Addr, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	answer, err := p.Ask("udp", server, m, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", name, err)
	}
	return Addresses(answer), nil
}

// Addresses returns the addresses in an answer.
func Addresses(m *dns.Msg) []netip.Addr {
	var addresses []netip.Addr
	for _, rr := range m.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses
}

// Dial connects from the pod to port 443 of an address.
func (p *Pod) Dial(to netip.Addr) (conn net.Conn, err error) {
	err = p.Do(func() error {
		conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, 443).String(), 5*time.Second)
		return err
	})
	return conn, err
}

// Connect connects from the pod to port 443 of an address, and is done with it.
func (p *Pod) Connect(to netip.Addr) error {
	conn, err := p.Dial(to)
	if err != nil {
		return err
	}
	return conn.Close()
}
