// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// udpHeader is the length of a UDP header, in bytes.
const udpHeader = 8

// replier sends datagrams to pods that come from the server's address and port.
// It is a raw socket, because one bound to them would get queries that are meant
// for the server, and cannot be had if the server is on this host.
type replier struct {
	fd  int
	ip6 bool
}

func newReplier(ip6 bool) (*replier, error) {
	domain := unix.AF_INET
	if ip6 {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open raw socket for DNS answers: run with capability NET_RAW: %w", err)
	}
	if err := errors.Join(receiveNothing(fd), setOptions(fd, ip6, false), setSending(fd, ip6)); err != nil {
		return nil, errors.Join(fmt.Errorf("set up raw socket for DNS answers: %w", err), unix.Close(fd))
	}
	return &replier{fd: fd, ip6: ip6}, nil
}

// receiveNothing keeps the kernel from queueing all datagrams of the host.
func receiveNothing(fd int) error {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
}

// setSending lets the kernel fragment, and for IPv6 compute the checksum, which
// is at offset 6 of the UDP header.
func setSending(fd int, ip6 bool) error {
	if ip6 {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_CHECKSUM, 6),
			unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT),
		)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
}

// send sends a payload to a pod as if it came from the server.
func (r *replier) send(server, pod netip.AddrPort, payload []byte) error {
	packet := make([]byte, udpHeader, udpHeader+len(payload))
	binary.BigEndian.PutUint16(packet[0:], server.Port())
	binary.BigEndian.PutUint16(packet[2:], pod.Port())
	binary.BigEndian.PutUint16(packet[4:], uint16(udpHeader+len(payload)))
	packet = append(packet, payload...)
	if r.ip6 {
		source := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: server.Addr().As16()})
		return unix.Sendmsg(r.fd, packet, source, &unix.SockaddrInet6{Addr: pod.Addr().As16()}, unix.MSG_DONTWAIT)
	}
	binary.BigEndian.PutUint16(packet[6:], checksum4(server.Addr(), pod.Addr(), packet))
	source := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: server.Addr().As4()})
	return unix.Sendmsg(r.fd, packet, source, &unix.SockaddrInet4{Addr: pod.Addr().As4()}, unix.MSG_DONTWAIT)
}

// checksum4 is the UDP checksum over the pseudo header and the datagram.
func checksum4(from, to netip.Addr, datagram []byte) uint16 {
	sum := uint32(unix.IPPROTO_UDP) + uint32(len(datagram))
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), datagram} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		// 0 would say that there is no checksum.
		return 0xffff
	}
	return ^uint16(sum)
}

func (r *replier) close() error { return unix.Close(r.fd) }
