// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzMessages puts a pod's message and a server's through all that is done with
// them. Whatever they are, what the pod gets is an answer to its question, and
// what is learned is for names and addresses that rules can mean.
func FuzzMessages(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, asked, answered []byte) {
		q, err := parseQuery(asked)
		if err != nil {
			return
		}
		const id = 0x1234
		if got := binary.BigEndian.Uint16(q.forward(id)); got != id {
			t.Fatalf("forwarded with ID %#x, want %#x", got, id)
		}
		if len(answered) >= 2 {
			binary.BigEndian.PutUint16(answered, id)
		}
		m, err := q.parseAnswer(answered, id)
		if err != nil {
			return
		}
		checkLearned(t, q, m)
		limitTTL(m, time.Minute)
		checkReply(t, q, m)
	})
}

func checkLearned(t *testing.T, q *query, m *dns.Msg) {
	t.Helper()
	names, records := q.learn(m)
	if len(names) > maxAliases {
		t.Errorf("%d names from one answer", len(names))
	}
	for _, name := range names {
		if name != strings.ToLower(name) || strings.HasSuffix(name, ".") || strings.Contains(name, `\`) {
			t.Errorf("learned the name %q", name)
		}
	}
	for _, r := range records {
		if !usable(r.address) || r.address.Is4In6() || r.ttl < 0 {
			t.Errorf("learned %s for %s", r.address, r.ttl)
		}
	}
}

func checkReply(t *testing.T, q *query, m *dns.Msg) {
	t.Helper()
	for _, size := range []int{q.size, dns.MaxMsgSize} {
		packet, err := q.reply(m.Copy(), size)
		if err != nil {
			continue
		}
		var reply dns.Msg
		if err := reply.Unpack(packet); err != nil {
			t.Fatalf("the pod gets what is no message: %v", err)
		}
		if reply.Id != q.id || !reply.Response || len(reply.Question) != 1 || !sameQuestion(reply.Question[0], q.question) {
			t.Errorf("the pod gets %v for %v", &reply, q.question)
		}
		if slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool { return rr.Header().Ttl > 60 }) {
			t.Errorf("the pod gets a TTL over the limit: %v", &reply)
		}
	}
}

func seeds(f *testing.F) [][2][]byte {
	f.Helper()
	var seeds [][2][]byte
	for _, text := range []string{
		"example.com. 300 IN A 192.0.2.1",
		"example.com. 300 IN AAAA 2001:db8::1",
		"example.com. 300 IN CNAME example.com.",
		`example.com. 300 IN HTTPS 1 . alpn="h3" ipv4hint="192.0.2.1,192.0.2.2" ipv6hint="2001:db8::1"`,
		`example.com. 300 IN TXT "text"`,
	} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		q := new(dns.Msg).SetQuestion("eXample.com.", rr.Header().Rrtype).SetEdns0(1232, true)
		m := new(dns.Msg).SetReply(q)
		m.Answer = append(m.Answer, rr)
		asked, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		answered, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, [2][]byte{asked, answered})
	}
	return seeds
}
