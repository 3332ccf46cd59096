// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Registers: the 128-bit ones, and the second and third 32-bit words of the
// first, where further fields of a concatenation of small fields go.
const (
	register1      = unix.NFT_REG_1
	register2      = unix.NFT_REG_2
	register1Word  = unix.NFT_REG32_01
	register1Word2 = unix.NFT_REG32_02
)

// address describes where an address is in its network header.
type address struct {
	family         byte
	offset, length uint32
}

// The addresses of the two families.
func source4() address      { return address{unix.NFPROTO_IPV4, 12, 4} }
func destination4() address { return address{unix.NFPROTO_IPV4, 16, 4} }
func source6() address      { return address{unix.NFPROTO_IPV6, 8, 16} }
func destination6() address { return address{unix.NFPROTO_IPV6, 24, 16} }

// isFamily goes on only for packets of a family. nft needs it in an inet table
// to list what follows as a field of that family.
func isFamily(family byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register1, Data: []byte{family}},
	}
}

// load puts an address into a register.
func (a address) load(register uint32) *expr.Payload {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: a.offset, Len: a.length}
}

// toPodChain is "meta priority set ip saddr map @pods meta priority vmap
// @chains": to the chain of the local pod that has the address.
func (a address) toPodChain(pods, chains string) []expr.Any {
	return append(a.setClass(pods), getPriority(), lookupVerdict(chains))
}

// setClass is "meta priority set ip saddr map @name".
func (a address) setClass(name string) []expr.Any {
	return append(isFamily(a.family), a.load(register1), lookupValue(name), setPriority())
}

// isSelf is "ip saddr . ip daddr @name".
func isSelf(source, destination address, name string) []expr.Any {
	second := uint32(register1Word)
	if source.length == 16 {
		second = register2
	}
	return append(isFamily(source.family), source.load(register1), destination.load(second), lookup(name))
}

// isEstablished is "ct state established,related".
func isEstablished() []expr.Any {
	mask := binary.NativeEndian.AppendUint32(nil, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register1},
		&expr.Bitwise{SourceRegister: register1, DestRegister: register1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register1, Data: make([]byte, 4)},
	}
}

// isICMPv6 is "icmpv6 type @name".
func isICMPv6(name string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register1, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: register1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		lookup(name),
	}
}

// portVmap is "meta l4proto . th dport vmap @name".
func portVmap(name string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register1},
		&expr.Payload{DestRegister: register1Word, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		lookupVerdict(name),
	}
}

// setRow is "meta priority set meta priority map @rows": what was the number of
// a class is that of a row then.
func setRow(rows string) []expr.Any {
	return []expr.Any{getPriority(), lookupValue(rows), setPriority()}
}

// rowVmap is "meta priority vmap @name".
func rowVmap(name string) []expr.Any {
	return []expr.Any{getPriority(), lookupVerdict(name)}
}

// rowPortVmap is "meta priority . meta l4proto . th dport vmap @name".
func rowPortVmap(name string) []expr.Any {
	return []expr.Any{
		getPriority(),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register1Word},
		&expr.Payload{DestRegister: register1Word2, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		lookupVerdict(name),
	}
}

// accept is "meta priority set none accept". Whoever sees the packet next must
// not find our numbers in its priority.
func accept() []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: register1, Data: make([]byte, 4)},
		setPriority(),
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

func getPriority() *expr.Meta { return &expr.Meta{Key: expr.MetaKeyPRIORITY, Register: register1} }

func setPriority() *expr.Meta {
	return &expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: register1}
}

func lookup(name string) *expr.Lookup {
	return &expr.Lookup{SourceRegister: register1, SetName: name}
}

func lookupValue(name string) *expr.Lookup {
	return &expr.Lookup{SourceRegister: register1, DestRegister: register1, IsDestRegSet: true, SetName: name}
}

func lookupVerdict(name string) *expr.Lookup {
	return &expr.Lookup{SourceRegister: register1, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: name}
}

func jump(chain string) *expr.Verdict { return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain} }

func goTo(chain string) *expr.Verdict { return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain} }
