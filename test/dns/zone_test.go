// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/test/dns/lab"
)

// zone is what the lab's DNS servers know.
type zone struct {
	// delay is waited before every answer, in nanoseconds.
	delay atomic.Int64
	// before may look at a query, and at where it comes from, before it is
	// answered.
	before atomic.Pointer[func(w dns.ResponseWriter, q *dns.Msg)]
	// ttl of all records, in seconds.
	ttl uint32
	// numbers counts those that were handed out.
	numbers atomic.Int64
}

// fresh returns a number that nobody asked for yet, nor for the one after it.
func (z *zone) fresh() int { return int(z.numbers.Add(2)) + 10_000 }

func label(n int) string { return fmt.Sprintf("n%d", n) }

// ServeDNS implements dns.Handler. Names begin with a label that says what
// there is: "nNUMBER" has one address of each family, "manyNUMBER" that number
// of addresses, "aliasNUMBER" is an alias of "nNUMBER.elsewhere.test.", and
// "none" does not exist.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	if before := z.before.Load(); before != nil {
		(*before)(w, q)
	}
	time.Sleep(time.Duration(z.delay.Load()))
	m := new(dns.Msg).SetReply(q)
	z.answer(m, q.Question[0])
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
			m.SetEdns0(uint16(size), false)
		}
		m.Truncate(size)
	}
	_ = w.WriteMsg(m)
}

func (z *zone) answer(m *dns.Msg, q dns.Question) {
	label, _, _ := strings.Cut(strings.ToLower(q.Name), ".")
	var n int
	switch {
	case scan(label, "n%d", &n):
		m.Answer = append(m.Answer, z.address(q.Name, q.Qtype, n))
	case scan(label, "alias%d", &n):
		target := fmt.Sprintf("n%d.elsewhere.test.", n)
		m.Answer = append(m.Answer, z.address(target, q.Qtype, n),
			&dns.CNAME{Hdr: z.header("middle.elsewhere.test.", dns.TypeCNAME), Target: target},
			&dns.CNAME{Hdr: z.header(q.Name, dns.TypeCNAME), Target: "middle.elsewhere.test."})
	case scan(label, "many%d", &n):
		for i := range n {
			m.Answer = append(m.Answer, z.address(q.Name, q.Qtype, 1000+i))
		}
	default:
		m.Rcode = dns.RcodeNameError
	}
}

func scan(label, format string, n *int) bool {
	_, err := fmt.Sscanf(label, format, n)
	return err == nil
}

func (z *zone) address(name string, qtype uint16, n int) dns.RR {
	a := addressOf(qtype, n)
	if qtype == dns.TypeAAAA {
		return &dns.AAAA{Hdr: z.header(name, dns.TypeAAAA), AAAA: a.AsSlice()}
	}
	return &dns.A{Hdr: z.header(name, dns.TypeA), A: a.AsSlice()}
}

func (z *zone) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: z.ttl}
}

// addressOf is the address of "nNUMBER".
func addressOf(qtype uint16, n int) netip.Addr { return lab.Internet(qtype == dns.TypeAAAA, 1+n) }
