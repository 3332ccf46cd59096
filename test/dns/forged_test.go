// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/test/dns/lab"
)

// forgery is an answer that says that the name asked is at another address.
func forgery(q *dns.Msg, n int) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.A{
		Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
		A:   addressOf(dns.TypeA, n).AsSlice(),
	}}
	return m
}

// sendFrom sends a datagram from the pod's network, with an address that is not
// the pod's.
func sendFrom(p *lab.Pod, from, to netip.AddrPort, payload []byte) error {
	return p.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(from.Port()), Addr: from.Addr().As4()}); err != nil {
			return err
		}
		return unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	})
}

// A pod cannot forge an answer, for itself or another, even if it knows the ID
// and the port that the proxy asks with: what comes in where the server is not
// is dropped.
func TestSpoofedServer(t *testing.T) {
	f := newFixture(t, 2, nil)
	victim := f.Pods[0]
	const genuine, forged = 100, 101
	for name, attacker := range map[string]*lab.Pod{"itself": victim, "another": f.Pods[1]} {
		for name, server := range map[string]struct{ asked, from string }{
			"outside " + name: {lab.OutsideDNS, lab.OutsideDNS},
			"service " + name: {lab.ServiceDNS, f.DNS.IP4.String()},
		} {
			t.Run(name, func(t *testing.T) {
				f := *f
				f.t = t
				var sent atomic.Int32
				before := func(w dns.ResponseWriter, q *dns.Msg) {
					packet, err := forgery(q, forged).Pack()
					f.check(err)
					asker := w.RemoteAddr().(*net.UDPAddr).AddrPort()
					asker = netip.AddrPortFrom(asker.Addr().Unmap(), asker.Port())
					from := netip.AddrPortFrom(netip.MustParseAddr(server.from), 53)
					f.check(sendFrom(attacker, from, asker, packet))
					sent.Add(1)
					// It is there long before the real one.
					time.Sleep(100 * time.Millisecond)
				}
				f.zone.before.Store(&before)
				defer f.zone.before.Store(nil)
				addresses, err := victim.Resolve(server.asked, label(genuine)+".example.com", dns.TypeA)
				f.check(err)
				if len(addresses) != 1 || addresses[0] != addressOf(dns.TypeA, genuine) || sent.Load() != 1 {
					t.Errorf("answer is %v with %d forged; want the server's, with 1 forged", addresses, sent.Load())
				}
				f.expectRefused(victim, addressOf(dns.TypeA, forged))
			})
		}
	}
}

// What comes from the server itself counts only if it has the ID and the
// question of the query, and nobody may try for long.
func TestWrongAnswers(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	const genuine, forged = 110, 111
	for name, wrong := range map[string]func(q *dns.Msg) *dns.Msg{
		"ID": func(q *dns.Msg) *dns.Msg {
			m := forgery(q, forged)
			m.Id++
			return m
		},
		"name": func(q *dns.Msg) *dns.Msg {
			m := forgery(q, forged)
			m.Question[0].Name = "n111.example.com."
			return m
		},
		"type": func(q *dns.Msg) *dns.Msg {
			m := forgery(q, forged)
			m.Question[0].Qtype = dns.TypeAAAA
			return m
		},
		"no question": func(q *dns.Msg) *dns.Msg {
			m := forgery(q, forged)
			m.Question = nil
			return m
		},
		"a query": func(q *dns.Msg) *dns.Msg {
			m := forgery(q, forged)
			m.Response = false
			return m
		},
	} {
		for times, answered := range map[int]bool{1: true, 3: false} {
			t.Run(name, func(t *testing.T) {
				f := *f
				f.t = t
				before := func(w dns.ResponseWriter, q *dns.Msg) {
					for range times {
						f.check(w.WriteMsg(wrong(q)))
					}
				}
				f.zone.before.Store(&before)
				defer f.zone.before.Store(nil)
				m, err := pod.Ask("udp", lab.OutsideDNS, question(label(genuine)+".example.com", dns.TypeA), 500*time.Millisecond)
				if (err == nil) != answered {
					t.Errorf("after %d wrong messages: %v, %v; want an answer: %t", times, m, err, answered)
				}
				f.expectRefused(pod, addressOf(dns.TypeA, forged))
			})
		}
	}
	f.expectCounter(1, "tierwall_dns_malformed_messages_total", "from", "server")
}

// Records that do not belong to the question open nothing.
func TestUnrelatedRecords(t *testing.T) {
	f := newFixture(t, 1, nil)
	const genuine, forged = 120, 121
	before := func(w dns.ResponseWriter, q *dns.Msg) {
		extra := forgery(question(label(forged)+".example.com", dns.TypeA), forged).Answer[0]
		m := forgery(q, genuine)
		m.Answer = append(m.Answer, extra)
		m.Ns = append(m.Ns, extra)
		m.Extra = append(m.Extra, extra)
		f.check(w.WriteMsg(m))
	}
	f.zone.before.Store(&before)
	_, err := f.Pods[0].Resolve(lab.ServiceDNS, label(genuine)+".example.com", dns.TypeA)
	f.check(err)
	f.expectOpen(f.Pods[0], addressOf(dns.TypeA, genuine))
	f.expectRefused(f.Pods[0], addressOf(dns.TypeA, forged))
}

// Answers of a server that is not trusted reach the pod and open nothing.
func TestUntrustedServer(t *testing.T) {
	f := newFixture(t, 2, nil)
	f.check(f.proxy.Stop())
	f.config.Untrusted = []string{f.Pods[1].IP4.String()}
	f.start()
	stop, err := lab.ServeDNS(f.Pods[1].Namespace, ":53", f.zone)
	f.check(err)
	defer stop()
	addresses, err := f.Pods[0].Resolve(f.Pods[1].IP4.String(), "n130.example.com", dns.TypeA)
	f.check(err)
	f.expectRefused(f.Pods[0], addresses...)
	f.expectCounter(1, "tierwall_dns_untrusted_answers_total")
}

// What is no query reaches no server, what is no answer reaches no pod; both are
// counted, and the proxy lives.
func TestMalformed(t *testing.T) {
	f := newFixture(t, 1, nil)
	pod := f.Pods[0]
	var seen atomic.Int32
	before := func(dns.ResponseWriter, *dns.Msg) { seen.Add(1) }
	f.zone.before.Store(&before)
	answer := forgery(question("n140.example.com", dns.TypeA), 140)
	two := question("n140.example.com", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	messages := [][]byte{{}, {1}, make([]byte, 11), make([]byte, 12), {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1}}
	for _, m := range []*dns.Msg{answer, two} {
		packet, err := m.Pack()
		f.check(err)
		messages = append(messages, packet)
	}
	for _, packet := range messages {
		f.check(pod.Do(func() error {
			conn, err := net.Dial("udp", lab.ServiceDNS+":53")
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			_, err = conn.Write(packet)
			return err
		}))
	}
	f.expectCounter(float64(len(messages)), "tierwall_dns_malformed_messages_total", "from", "pod")
	if seen.Load() != 0 {
		t.Errorf("the server saw %d of %d malformed queries", seen.Load(), len(messages))
	}
	broken := func(w dns.ResponseWriter, q *dns.Msg) {
		packet, err := forgery(q, 141).Pack()
		f.check(err)
		_, err = w.Write(packet[:len(packet)-2])
		f.check(err)
	}
	f.zone.before.Store(&broken)
	f.zone.delay.Store(int64(time.Second))
	if m, err := pod.Ask("udp", lab.OutsideDNS, question("n141.example.com", dns.TypeA), 500*time.Millisecond); err == nil {
		t.Errorf("malformed answer was passed on: %v", m)
	}
	f.expectCounter(1, "tierwall_dns_malformed_messages_total", "from", "server")
	f.expectRefused(pod, addressOf(dns.TypeA, 140), addressOf(dns.TypeA, 141))
	f.zone.before.Store(nil)
	f.zone.delay.Store(0)
	_, err := pod.Resolve(lab.ServiceDNS, "n142.example.com", dns.TypeA)
	f.check(err)
}
