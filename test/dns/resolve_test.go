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
