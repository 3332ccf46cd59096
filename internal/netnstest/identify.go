// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

const etherHeader = 14

// identify finds out which packet a frame is, or is the node's answer to.
func identify(frame []byte) (number uint32, answered, ok bool) {
	if len(frame) < etherHeader+20 {
		return 0, false, false
	}
	source, protocol, segment := parse(frame[etherHeader:], binary.BigEndian.Uint16(frame[12:]))
	if len(segment) < markLength {
		return 0, false, false
	}
	fromHost := slices.Contains(hostAddresses(), source)
	if fromHost && protocol == unix.IPPROTO_TCP && len(segment) >= 20 && segment[13]&0x04 != 0 {
		// A reset acknowledges the SYN and the mark behind it.
		return binary.BigEndian.Uint32(segment[8:]) - 1 - markLength, true, true
	}
	mark := segment[len(segment)-markLength:]
	if binary.BigEndian.Uint32(mark) != magic {
		return 0, false, false
	}
	return binary.BigEndian.Uint32(mark[4:]), fromHost && isAnswer(protocol, segment[0], segment[1]), true
}

// isAnswer reports whether an ICMP message is one that the node's own stack
// sends when it got a packet: an echo reply, or the error that nobody listens at
// the port or to the protocol.
func isAnswer(protocol, icmpType, code byte) bool {
	answer := [2]byte{icmpType, code}
	switch protocol {
	case unix.IPPROTO_ICMP:
		return answer == [2]byte{0, 0} || answer == [2]byte{3, 2} || answer == [2]byte{3, 3}
	case unix.IPPROTO_ICMPV6:
		return answer == [2]byte{129, 0} || answer == [2]byte{1, 4} || answer == [2]byte{4, 1}
	default:
		return false
	}
}

func parse(packet []byte, etherType uint16) (source netip.Addr, protocol byte, segment []byte) {
	switch {
	case etherType == unix.ETH_P_IP:
		source, _ = netip.AddrFromSlice(packet[12:16])
		return source, packet[9], packet[20:]
	case etherType == unix.ETH_P_IPV6 && len(packet) >= 40:
		source, _ = netip.AddrFromSlice(packet[8:24])
		return source, packet[6], packet[40:]
	default:
		return netip.Addr{}, 0, nil
	}
}
