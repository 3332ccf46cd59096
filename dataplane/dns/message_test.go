// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
)

func TestLearn(t *testing.T) {
	for name, test := range map[string]struct {
		asked   string
		answer  []string
		names   []string
		records []record
	}{
		"address": {
			asked:   "a.example.com.",
			answer:  []string{"a.example.com. 60 IN A 192.0.2.1", "A.EXAMPLE.com. 30 IN AAAA 2001:db8::1"},
			names:   []string{"a.example.com"},
			records: []record{{ip("192.0.2.1"), time.Minute}, {ip("2001:db8::1"), 30 * time.Second}},
		},
		"aliases in any order": {
			asked:   "A.example.com.",
			answer:  []string{"c.example.net. 60 IN A 192.0.2.1", "b.example.net. 60 IN CNAME C.example.net.", "a.example.com. 60 IN CNAME b.example.net."},
			names:   []string{"a.example.com", "b.example.net", "c.example.net"},
			records: []record{{ip("192.0.2.1"), time.Minute}},
		},
		"aliases in a circle": {
			asked:  "a.example.com.",
			answer: []string{"a.example.com. 60 IN CNAME b.example.com.", "b.example.com. 60 IN CNAME a.example.com."},
			names:  []string{"a.example.com", "b.example.com"},
		},
		"record that nobody asked for": {
			asked:  "a.example.com.",
			answer: []string{"b.example.com. 60 IN A 192.0.2.1"},
			names:  []string{"a.example.com"},
		},
		"hints of the name and of its target": {
			asked: "a.example.com.",
			answer: []string{
				"a.example.com. 60 IN HTTPS 1 b.example.com. ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
				"b.example.com. 60 IN A 192.0.2.2",
			},
			names:   []string{"a.example.com", "b.example.com"},
			records: []record{{ip("192.0.2.1"), time.Minute}, {ip("2001:db8::1"), time.Minute}, {ip("192.0.2.2"), time.Minute}},
		},
		"addresses that no name has": {
			asked: "a.example.com.",
			answer: []string{
				"a.example.com. 60 IN A 127.0.0.1", "a.example.com. 60 IN A 169.254.169.254", "a.example.com. 60 IN A 0.0.0.0",
				"a.example.com. 60 IN A 224.0.0.1", "a.example.com. 60 IN AAAA ::1", "a.example.com. 60 IN AAAA fe80::1",
				"a.example.com. 60 IN AAAA ::ffff:127.0.0.1",
			},
			names: []string{"a.example.com"},
		},
		"another class": {
			asked:  "a.example.com.",
			answer: []string{"a.example.com. 60 CH A 192.0.2.1"},
			names:  []string{"a.example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := &query{question: dns.Question{Name: test.asked, Qtype: dns.TypeA, Qclass: dns.ClassINET}}
			m := &dns.Msg{}
			for _, text := range test.answer {
				rr, err := dns.NewRR(text)
				if err != nil {
					t.Fatal(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			names, records := q.learn(m)
			if diff := cmp.Diff(test.names, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			options := cmp.Options{cmp.AllowUnexported(record{}), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(test.records, records, options); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }
