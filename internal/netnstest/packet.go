// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Packet is the first packet of a connection.
type Packet struct {
	// From is where the packet starts.
	From     Port
	Src, Dst netip.Addr
	// Protocol is the IP protocol number. TCP is a SYN, UDP a datagram, SCTP an
	// INIT, ICMP and ICMPv6 an echo request; anything else a bare payload.
	Protocol uint8
	// SrcPort is chosen if it is 0. For ICMP and ICMPv6 it is the identifier.
	SrcPort, DstPort uint16
	// ICMPType replaces the type of the echo request if it is not 0.
	ICMPType uint8
}

// The mark that ends every packet: magic and the packet's number.
const (
	magic      = 0x74696572
	markLength = 8
)

// firstSourcePort begins the source ports that are chosen.
const firstSourcePort = 32768

// frame returns the packet as an Ethernet frame.
func (p *Packet) frame(to, from net.HardwareAddr, number uint32) []byte {
	etherType := uint16(unix.ETH_P_IP)
	if p.Src.Is6() {
		etherType = unix.ETH_P_IPV6
	}
	b := make([]byte, 0, 128)
	b = append(append(b, to...), from...)
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, p.bytes(number)...)
}

// bytes returns the packet from its network header on.
func (p *Packet) bytes(number uint32) []byte {
	mark := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, magic), number)
	segment := p.segment(number, mark)
	if p.Src.Is6() {
		return append(p.header6(len(segment)), segment...)
	}
	return append(p.header4(len(segment)), segment...)
}

func (p *Packet) header4(length int) []byte {
	b := make([]byte, 20)
	b[0], b[8], b[9] = 0x45, 64, p.Protocol
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+length))
	copy(b[12:], p.Src.AsSlice())
	copy(b[16:], p.Dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	return b
}

func (p *Packet) header6(length int) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, p.Protocol, 64
	if p.Protocol == unix.IPPROTO_ICMPV6 {
		// Neighbour discovery is believed only if nobody forwarded it.
		b[7] = 255
	}
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	copy(b[8:], p.Src.AsSlice())
	copy(b[24:], p.Dst.AsSlice())
	return b
}

// segment returns the transport header and the mark.
func (p *Packet) segment(number uint32, mark []byte) []byte {
	source := p.SrcPort
	if source == 0 {
		source = uint16(firstSourcePort + number%(1<<16-firstSourcePort))
	}
	ports := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, source), p.DstPort)
	switch p.Protocol {
	case unix.IPPROTO_TCP:
		return p.tcp(ports, number, mark)
	case unix.IPPROTO_UDP:
		b := binary.BigEndian.AppendUint16(ports, uint16(8+len(mark)))
		return p.summed(append(append(b, 0, 0), mark...), 6)
	case unix.IPPROTO_SCTP:
		return sctp(ports, mark)
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return p.echo(source, mark)
	default:
		return mark
	}
}

func (p *Packet) tcp(ports []byte, number uint32, mark []byte) []byte {
	// The sequence number is the packet's, so that a reset tells it.
	b := binary.BigEndian.AppendUint32(ports, number)
	b = append(b, 0, 0, 0, 0, 5<<4, 0x02, 0xff, 0xff, 0, 0, 0, 0)
	return p.summed(append(b, mark...), 16)
}

func (p *Packet) echo(identifier uint16, mark []byte) []byte {
	b := []byte{p.ICMPType, 0, 0, 0}
	if b[0] == 0 {
		b[0] = 8
		if p.Src.Is6() {
			b[0] = 128
		}
	}
	b = binary.BigEndian.AppendUint16(b, identifier)
	b = append(append(b, 0, 0), mark...)
	if p.Src.Is4() {
		binary.BigEndian.PutUint16(b[2:], checksum(b, 0))
		return b
	}
	return p.summed(b, 2)
}

// sctp returns an INIT chunk with the mark as an unknown parameter at its end.
func sctp(ports, mark []byte) []byte {
	const initiateTag, window, streams = 1, 65536, 1
	b := slices.Concat(ports, make([]byte, 8))
	parameter := append([]byte{0x80, 0xff, 0, byte(4 + len(mark))}, mark...)
	b = append(b, 1, 0, 0, byte(20+len(parameter)))
	b = binary.BigEndian.AppendUint32(b, initiateTag)
	b = binary.BigEndian.AppendUint32(b, window)
	b = append(b, 0, streams, 0, streams, 0, 0, 0, 1)
	b = append(b, parameter...)
	binary.LittleEndian.PutUint32(b[8:], crc32c(b))
	return b
}

// summed enters the checksum over pseudo header and b at an offset.
func (p *Packet) summed(b []byte, offset int) []byte {
	pseudo := append(p.Src.AsSlice(), p.Dst.AsSlice()...)
	pseudo = append(pseudo, 0, p.Protocol)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(b)))
	total := checksum(b, sum(pseudo, 0))
	if total == 0 && p.Protocol == unix.IPPROTO_UDP {
		total = 0xffff // 0 stands for no checksum, which IPv6 does not allow.
	}
	binary.BigEndian.PutUint16(b[offset:], total)
	return b
}

func checksum(b []byte, start uint32) uint16 {
	s := sum(b, start)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func sum(b []byte, s uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}
