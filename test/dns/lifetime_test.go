// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/test/dns/lab"
)

// An answer that is not enforced in time never comes, and is counted.
func TestHoldTimeout(t *testing.T) {
	f := newFixture(t, 1, func(c *lab.ProxyConfig) { c.HoldTimeout = 200 * time.Millisecond })
	for _, network := range []string{"udp", "tcp"} {
		if answer, err := f.Pods[0].Ask(network, lab.ServiceDNS, question("n40.stuck.example", dns.TypeA), time.Second); err == nil {
			t.Errorf("answer over %s: %v", network, answer)
		}
		f.expectCounter(1, "tierwall_dns_queries_total", "result", "hold_timeout", "protocol", network)
	}
	f.expectRefused(f.Pods[0], addressOf(dns.TypeA, 40))
	_, err := f.Pods[0].Resolve(lab.ServiceDNS, "n41.example.org", dns.TypeA)
	f.check(err)
}

// An address is closed after its time, which is between the least and the
// greatest TTL, unless a connection uses it.
func TestExpiry(t *testing.T) {
	f := newFixture(t, 1, func(c *lab.ProxyConfig) {
		c.MinTTL, c.MaxTTL, c.SweepInterval = time.Millisecond, 2*time.Second, 100*time.Millisecond
	})
	pod := f.Pods[0]
	m, err := pod.Ask("udp", lab.ServiceDNS, question("n50.example.com", dns.TypeA), 5*time.Second)
	f.check(err)
	if ttl := m.Answer[0].Header().Ttl; ttl != 2 {
		t.Errorf("the pod is told a TTL of %d s; want the greatest, 2 s", ttl)
	}
	_, err = pod.Resolve(lab.ServiceDNS, "n51.example.com", dns.TypeA)
	f.check(err)
	conn, err := pod.Dial(addressOf(dns.TypeA, 51))
	f.check(err)
	f.expectOpen(pod, addressOf(dns.TypeA, 50), addressOf(dns.TypeA, 51))

	// 2 s, and the slack of 10 s.
	time.Sleep(10 * time.Second)
	f.eventually("address closed", func() bool { return refused(pod.Connect(addressOf(dns.TypeA, 50))) })
	f.expectOpen(pod, addressOf(dns.TypeA, 51))
	f.check(conn.Close())
	f.eventually("address closed after its connection", func() bool { return refused(pod.Connect(addressOf(dns.TypeA, 51))) })
}

// While no proxy runs, what is open stays open, what is not stays closed, and
// queries go to their servers directly. The next proxy knows what was learned.
func TestRestart(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	resolve := func(n int) {
		t.Helper()
		addresses, err := pod.Resolve(lab.ServiceDNS, label(n)+".example.com", dns.TypeA)
		f.check(err)
		if len(addresses) != 1 {
			t.Errorf("answer has addresses %v; want one", addresses)
		}
	}
	for i, end := range []func() error{func() error { return f.proxy.Stop() }, func() error { return f.proxy.Kill() }} {
		known, unknown := 70+10*i, 71+10*i
		resolve(known)
		f.expectOpen(pod, addressOf(dns.TypeA, known))
		f.check(end())
		f.proxy = nil

		resolve(unknown)
		f.expectOpen(pod, addressOf(dns.TypeA, known))
		f.expectRefused(pod, addressOf(dns.TypeA, unknown))

		f.start()
		f.expectOpen(pod, addressOf(dns.TypeA, known))
		f.expectRefused(pod, addressOf(dns.TypeA, unknown))
		resolve(unknown)
		f.expectOpen(pod, addressOf(dns.TypeA, known), addressOf(dns.TypeA, unknown))
	}
}

// Pods that ask all the time while proxies are killed and started never connect
// in vain to an address from an answer that a proxy passed on.
func TestRestartUnderLoad(t *testing.T) {
	f := newFixture(t, 3, nil)
	done := make(chan struct{})
	var parts sync.WaitGroup
	var mu sync.Mutex
	connected := map[int]bool{}
	for i, pod := range f.Pods {
		parts.Go(func() {
			for n := 30_000 + i; ; n += len(f.Pods) {
				select {
				case <-done:
					return
				default:
				}
				m, err := pod.Ask("udp", lab.ServiceDNS, question(label(n)+".example.com", dns.TypeA), 300*time.Millisecond)
				if err == nil && pod.Connect(lab.Addresses(m)[0]) == nil {
					mu.Lock()
					connected[n] = true
					mu.Unlock()
				}
			}
		})
	}
	for range 5 {
		time.Sleep(200 * time.Millisecond)
		f.check(f.proxy.Kill())
		f.start()
	}
	time.Sleep(200 * time.Millisecond)
	close(done)
	parts.Wait()
	if len(connected) == 0 {
		t.Fatal("nothing was learned at all")
	}
	for n := range connected {
		f.expectOpen(f.Pods[0], addressOf(dns.TypeA, n))
	}
	if t.Failed() {
		t.Logf("of %d names", len(connected))
	}
}

// Bounds stop what is new and leave what is there.
func TestBounds(t *testing.T) {
	f := newFixture(t, 1, func(c *lab.ProxyConfig) { c.Names, c.AddressesPerName, c.QueriesPerPod = 3, 10, 2 })
	pod := f.Pods[0]
	ask := func(name string) error {
		_, err := pod.Ask("udp", lab.ServiceDNS, question(name, dns.TypeA), 500*time.Millisecond)
		return err
	}
	for n := range 2 {
		f.check(ask(label(90+n) + ".example.com"))
	}
	if ask("many11.example.com") == nil {
		t.Error("answer with more addresses than a name may have")
	}
	f.expectCounter(1, "tierwall_dns_bound_hits_total", "bound", "addresses_per_name")
	f.check(ask(label(92) + ".example.com"))
	if ask(label(93)+".example.com") == nil {
		t.Error("answer for one more name than there may be")
	}
	f.expectCounter(1, "tierwall_dns_bound_hits_total", "bound", "names")
	f.check(ask(label(91) + ".example.com"))
	f.check(ask(label(94) + ".example.org"))
	f.expectOpen(pod, addressOf(dns.TypeA, 90), addressOf(dns.TypeA, 91), addressOf(dns.TypeA, 92))
	f.expectRefused(pod, addressOf(dns.TypeA, 93))

	f.zone.delay.Store(int64(time.Second))
	var asking sync.WaitGroup
	for range 5 {
		asking.Go(func() { _ = ask(label(95) + ".example.org") })
	}
	asking.Wait()
	f.expectCounter(3, "tierwall_dns_bound_hits_total", "bound", "queries_per_pod")
}
