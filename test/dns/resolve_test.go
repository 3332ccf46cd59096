// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/test/dns/lab"
)

// Whatever the way to the server, what a rule names can be connected to at once,
// and what none names cannot.
func TestServers(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	for name, server := range map[string]string{
		"service":                          lab.ServiceDNS,
		"service with another target port": lab.ServiceDNSOddPort,
		"service over IPv6":                lab.ServiceDNS6,
		"pod of the service itself":        f.DNS.IP4.String(),
		"outside":                          lab.OutsideDNS,
		"outside over IPv6":                lab.OutsideDNS6,
		"on the node":                      lab.HostDNS,
	} {
		for _, network := range []string{"udp", "tcp"} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				t.Run(name+"/"+network+"/"+dns.TypeToString[qtype], func(t *testing.T) {
					f := *f
					f.t = t
					n := f.zone.fresh()
					f.expectRefused(pod, addressOf(qtype, n), addressOf(qtype, n+1))
					answer, err := pod.Ask(network, server, question(label(n)+".example.com", qtype), 5*time.Second)
					f.check(err)
					f.expectOpen(pod, lab.Addresses(answer)...)
					answer, err = pod.Ask(network, server, question(label(n+1)+".example.org", qtype), 5*time.Second)
					f.check(err)
					f.expectRefused(pod, lab.Addresses(answer)...)
				})
			}
		}
	}
}

// What is asked decides, in any case and with a dot at the end or not; aliases in
// the same answer count as if they were asked.
func TestNames(t *testing.T) {
	f := newFixture(t, 1, func(c *lab.ProxyConfig) { c.Patterns = append(c.Patterns, "n61.elsewhere.test") })
	pod := f.Pods[0]
	for name, test := range map[string]struct {
		asked  string
		number int
		open   bool
	}{
		"below a wildcard":             {"n20.example.com.", 20, true},
		"far below a wildcard":         {"n21.a.b.example.com.", 21, true},
		"the wildcard's own name":      {"n22.com.", 22, false},
		"a name that ends like it":     {"n23.notexample.com.", 23, false},
		"upper case":                   {"N24.eXaMpLe.COM.", 24, true},
		"exact":                        {"n9.exact.test.", 9, true},
		"exact in upper case":          {"N9.EXACT.test.", 9, true},
		"below an exact name":          {"n25.n9.exact.test.", 25, false},
		"beside an exact name":         {"n26.exact.test.", 26, false},
		"alias that a rule names":      {"alias60.example.com.", 60, true},
		"alias of what a rule names":   {"alias61.other.test.", 61, true},
		"alias of nothing rules name":  {"alias62.other.test.", 62, false},
		"label with a dot inside":      {`n63\.example.com.`, 63, false},
		"deep label with a dot inside": {`n64.x\.example.com.`, 64, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := *f
			f.t = t
			addresses, err := pod.Resolve(lab.ServiceDNS, test.asked, dns.TypeA)
			f.check(err)
			if len(addresses) != 1 && test.number < 63 {
				t.Errorf("answer has addresses %v; want one", addresses)
			}
			if test.open {
				f.expectOpen(pod, addressOf(dns.TypeA, test.number))
			} else {
				f.expectRefused(pod, addressOf(dns.TypeA, test.number))
			}
		})
	}
}

// Large answers come whole over EDNS and over TCP, and cut otherwise, as from
// the server.
func TestLargeAnswers(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	const many = 240
	for name, test := range map[string]struct {
		network   string
		edns      uint16
		truncated bool
	}{
		"udp":                 {"udp", 0, true},
		"udp with small EDNS": {"udp", 1232, true},
		"udp with large EDNS": {"udp", 8192, false},
		"tcp":                 {"tcp", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := *f
			f.t = t
			q := question("many240."+label(f.zone.fresh())+".example.com", dns.TypeA)
			if test.edns != 0 {
				q.SetEdns0(test.edns, true)
			}
			answer, err := pod.Ask(test.network, lab.ServiceDNS, q, 5*time.Second)
			f.check(err)
			if answer.Truncated != test.truncated || (len(answer.Answer) == many) == test.truncated {
				t.Errorf("answer has %d records, truncated %t; want truncated %t", len(answer.Answer), answer.Truncated, test.truncated)
			}
			if opt := answer.IsEdns0(); (opt != nil) != (test.edns != 0) {
				t.Errorf("answer has EDNS %v; want as in the query", opt)
			}
			f.expectOpen(pod, lab.Addresses(answer)...)
		})
	}
}

// A connection carries any number of queries.
func TestManyQueriesOverOneConnection(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	var conn *dns.Conn
	f.check(pod.Do(func() error {
		var err error
		conn, err = dns.Dial("tcp", lab.ServiceDNS+":53")
		return err
	}))
	defer func() { _ = conn.Close() }()
	for range 20 {
		n := f.zone.fresh()
		f.check(conn.WriteMsg(question(label(n)+".example.com", dns.TypeA)))
		answer, err := conn.ReadMsg()
		f.check(err)
		f.expectOpen(pod, lab.Addresses(answer)...)
	}
}

// The pod never has an answer before the kernel has the addresses: every first
// connection works, whatever goes on besides.
func TestFirstConnections(t *testing.T) {
	f := newFixture(t, 5, nil)
	names := 2_000
	if testing.Short() {
		names = 200
	}
	result := lab.FirstConnections(lab.LoadConfig{Pods: f.Pods, Workers: 4, Names: names, Server: lab.ServiceDNS, Name: func(n int) string {
		return label(n+20_000) + ".example.com"
	}})
	if result.Failed != 0 || result.Done != names {
		t.Errorf("%d of %d first connections worked, the first error is: %v", result.Done-result.Failed, names, result.Err)
	}
}

// A query that the pod's policies deny gets no answer, also not from the proxy.
func TestDeniedDNS(t *testing.T) {
	f := newFixture(t, 2, nil)
	f.check(f.DenyDNS(f.Pods[0]))
	for _, server := range []string{lab.ServiceDNS, lab.OutsideDNS, lab.HostDNS} {
		for _, network := range []string{"udp", "tcp"} {
			if answer, err := f.Pods[0].Ask(network, server, question("n30.example.com", dns.TypeA), 300*time.Millisecond); err == nil {
				t.Errorf("%s over %s answered: %v", server, network, answer)
			}
		}
	}
	f.expectRefused(f.Pods[1], addressOf(dns.TypeA, 30))
}
