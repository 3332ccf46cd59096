// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package redirect

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// MarkBit is the bit of the packet mark that is Tierwall's. kube-proxy has
// 0x4000 and 0x8000, the portmap plugin 0x2000, Calico 0xffff0000, Cilium
// 0x0f00.
const MarkBit = 0x1000

// dnsPort is where DNS servers listen, for UDP and for TCP.
const dnsPort = 53

// Priority is that of the prerouting chain, which has type filter: after
// destination NAT, so that the proxy sees, and asks, the server that a Service
// has chosen. TCP needs that too: the kernel finds the proxy's end of a
// connection by the addresses after NAT.
func Priority() nftables.ChainPriority { return *nftables.ChainPriorityNATDest + 10 }

// Listener is where the proxy takes the queries of one family, at a loopback
// address, which cannot be reached from outside of the node.
type Listener struct {
	// Address has the port of both the UDP and the TCP socket.
	Address netip.AddrPort
	// Pods names the set of the pods' addresses.
	Pods string
}

// Chain is a chain of the table.
type Chain struct {
	Name string
	// Base is true for the chain at the prerouting hook, which comes last.
	Base  bool
	Rules [][]expr.Any
}

// ChainName is the name of the base chain; others begin with it.
const ChainName = "dns"

// Chains returns the chains for the pods of some families.
//
// While nobody listens at the proxy's address, packets pass the rules as if
// they were not there: queries go to their server directly.
func Chains(listeners ...Listener) []Chain {
	var chains []Chain
	base := Chain{Name: ChainName, Base: true}
	for _, l := range listeners {
		f := familyOf(l.Address.Addr())
		answers := Chain{Name: ChainName + "-answers-" + f.name, Rules: answers()}
		queries := Chain{Name: ChainName + "-queries-" + f.name, Rules: f.queries(l.Address)}
		chains = append(chains, answers, queries)
		base.Rules = append(base.Rules,
			append(f.in(f.destination, l.Pods), &expr.Verdict{Kind: expr.VerdictJump, Chain: answers.Name}),
			append(f.in(f.source, l.Pods), &expr.Verdict{Kind: expr.VerdictJump, Chain: queries.Name}),
		)
	}
	return append(chains, base)
}

// family describes where addresses are in a network header.
type family struct {
	id                          byte
	name                        string
	source, destination, length uint32
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return family{unix.NFPROTO_IPV4, "ip", 12, 16, 4}
	}
	return family{unix.NFPROTO_IPV6, "ip6", 8, 24, 16}
}

// in is "ip saddr @set" or "ip daddr @set".
func (f family) in(offset uint32, set string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{f.id}},
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length},
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: set},
	}
}

// answers drops answers that come in where their sender is not, as those of a
// pod with a DNS server's address do, and delivers the others:
//
//	ct direction reply socket transparent 1 fib saddr . iif oif missing drop
//	ct direction reply socket transparent 1 meta mark set meta mark or MarkBit accept
func answers() [][]expr.Any {
	return [][]expr.Any{
		append(toSocket(),
			&expr.Fib{Register: unix.NFT_REG_1, FlagSADDR: true, FlagIIF: true, FlagPRESENT: true, ResultOIF: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: make([]byte, 4)},
			&expr.Verdict{Kind: expr.VerdictDrop}),
		append(append(toSocket(), setMark()...), &expr.Verdict{Kind: expr.VerdictAccept}),
	}
}

// toSocket is a packet for a socket of the proxy that has a pod's address. The
// direction tells it from a query for a server that is such a pod itself.
func toSocket() []expr.Any {
	const reply = 1
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{reply}},
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{1}},
	}
}

// queries gives to the proxy what is for port 53, or was before destination
// NAT: the target port of a Service may be another. nft needs the protocol by
// itself before tproxy to read back what it lists.
func (f family) queries(proxy netip.AddrPort) [][]expr.Any {
	var rules [][]expr.Any
	for _, protocol := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		for _, match := range [][]expr.Any{isPort53(), wasPort53()} {
			rules = append(rules, slices.Concat(isProtocol(protocol), match, f.toProxy(proxy)))
		}
	}
	return rules
}

func isProtocol(protocol byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{protocol}},
	}
}

// isPort53 is "th dport 53".
func isPort53() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint16(nil, dnsPort)},
	}
}

// wasPort53 is "ct direction original ct original proto-dst 53".
func wasPort53() []expr.Any {
	const original = 0
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{original}},
		&expr.Ct{Key: expr.CtKeyPROTODST, Direction: original, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint16(nil, dnsPort)},
	}
}

// toProxy is "tproxy ip to address:port meta mark set ... accept". If there is
// no such socket, the rule ends at tproxy.
func (f family) toProxy(proxy netip.AddrPort) []expr.Any {
	exprs := []expr.Any{
		&expr.Immediate{Register: unix.NFT_REG_1, Data: proxy.Addr().AsSlice()},
		&expr.Immediate{Register: unix.NFT_REG_2, Data: binary.BigEndian.AppendUint16(nil, proxy.Port())},
		&expr.TProxy{Family: f.id, TableFamily: unix.NFPROTO_INET, RegAddr: unix.NFT_REG_1, RegPort: unix.NFT_REG_2},
	}
	return append(append(exprs, setMark()...), &expr.Verdict{Kind: expr.VerdictAccept})
}

// setMark is "meta mark set meta mark or MarkBit".
func setMark() []expr.Any {
	bit := binary.NativeEndian.AppendUint32(nil, MarkBit)
	others := binary.NativeEndian.AppendUint32(nil, ^uint32(MarkBit))
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: unix.NFT_REG_1},
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4, Mask: others, Xor: bit},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: unix.NFT_REG_1},
	}
}
