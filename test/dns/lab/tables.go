// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"strings"
)

// tables stand for Tierwall's own table and for kube-proxy's: pods may connect
// to the open addresses and to DNS servers, except those in nodns4, which may
// not ask any. What a pod may not is refused at once.
const tables = `
table inet lab {
	set pods4 { type ipv4_addr; elements = { %[1]s }; }
	set pods6 { type ipv6_addr; elements = { %[2]s }; }
	set nodns4 { type ipv4_addr; }
	set open4 { type ipv4_addr; }
	set open6 { type ipv6_addr; }
	chain egress {
		meta l4proto icmpv6 accept
		ip daddr @open4 accept
		ip6 daddr @open6 accept
		ip saddr @nodns4 drop
		meta l4proto { tcp, udp } th dport { 53, 5353 } accept
		meta l4proto tcp reject with tcp reset
		drop
	}
	chain pods {
		ct state established,related accept
		ip saddr @pods4 goto egress
		ip6 saddr @pods6 goto egress
	}
	chain forward { type filter hook forward priority 0; jump pods; }
	chain input { type filter hook input priority 0; jump pods; }
	chain output { type filter hook output priority 0; jump pods; }
}
table inet services {
	chain services {
		ip daddr %[3]s meta l4proto { tcp, udp } th dport 53 dnat ip to %[5]s
		ip daddr %[4]s meta l4proto { tcp, udp } th dport 53 dnat ip to %[5]s:5353
		ip6 daddr %[6]s meta l4proto { tcp, udp } th dport 53 dnat ip6 to %[7]s
	}
	chain prerouting { type nat hook prerouting priority dstnat; jump services; }
	chain output { type nat hook output priority -100; jump services; }
	chain postrouting { type nat hook postrouting priority srcnat; }
}
`

func (l *Lab) addTables() error {
	var ip4, ip6 []string
	for _, p := range l.Pods {
		ip4, ip6 = append(ip4, p.IP4.String()), append(ip6, p.IP6.String())
	}
	return l.nft(fmt.Sprintf(tables, strings.Join(ip4, ", "), strings.Join(ip6, ", "),
		ServiceDNS, ServiceDNSOddPort, l.DNS.IP4, ServiceDNS6, l.DNS.IP6))
}

// DenyDNS has the policies deny a pod all DNS servers.
func (l *Lab) DenyDNS(p *Pod) error {
	return l.nft(fmt.Sprintf("add element inet lab nodns4 { %s }", p.IP4))
}
