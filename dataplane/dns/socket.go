// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer of the UDP listeners, in bytes: some thousand queries at once.
const receiveBuffer = 4 << 20

// listener takes the queries of one family.
type listener struct {
	address netip.AddrPort
	udp     *net.UDPConn
	tcp     *net.TCPListener
	replies *replier
}

// listen opens the sockets of a family at its loopback address, UDP and TCP at
// the same port.
func listen(ctx context.Context, loopback netip.Addr) (*listener, error) {
	const tries = 16
	var errs error
	for range tries {
		l, err := tryListen(ctx, loopback)
		if err == nil {
			return l, nil
		}
		errs = err
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	return nil, errs
}

func tryListen(ctx context.Context, loopback netip.Addr) (*listener, error) {
	config := net.ListenConfig{Control: control(loopback.Is6(), true)}
	tcp, err := config.Listen(ctx, "tcp", netip.AddrPortFrom(loopback, 0).String())
	if err != nil {
		return nil, fmt.Errorf("listen for DNS over TCP: %w", err)
	}
	l := &listener{tcp: tcp.(*net.TCPListener), address: tcp.Addr().(*net.TCPAddr).AddrPort()}
	udp, err := config.ListenPacket(ctx, "udp", l.address.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for DNS over UDP: %w", err), l.close())
	}
	l.udp = udp.(*net.UDPConn)
	if l.replies, err = newReplier(loopback.Is6()); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *listener) close() error {
	errs := []error{l.tcp.Close()}
	if l.udp != nil {
		errs = append(errs, l.udp.Close())
	}
	if l.replies != nil {
		errs = append(errs, l.replies.close())
	}
	return errors.Join(errs...)
}

// control returns what is done with a socket before it is bound: it may have
// addresses that are not the host's, and a listener is told where a datagram was
// sent to.
func control(ip6, listening bool) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var err error
		failed := c.Control(func(fd uintptr) {
			err = setOptions(int(fd), ip6, listening && strings.HasPrefix(network, "udp"))
		})
		return errors.Join(failed, err)
	}
}

func setOptions(fd int, ip6, datagrams bool) error {
	level, transparent, original := unix.SOL_IP, unix.IP_TRANSPARENT, unix.IP_RECVORIGDSTADDR
	if ip6 {
		level, transparent, original = unix.SOL_IPV6, unix.IPV6_TRANSPARENT, unix.IPV6_RECVORIGDSTADDR
	}
	if err := unix.SetsockoptInt(fd, level, transparent, 1); err != nil {
		return fmt.Errorf("use addresses of pods: run with capability NET_ADMIN: %w", err)
	}
	if !datagrams {
		return nil
	}
	return errors.Join(
		unix.SetsockoptInt(fd, level, original, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer),
	)
}

// originalDestination finds in the control messages of a datagram where it was
// sent to.
func originalDestination(oob []byte) (netip.AddrPort, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read control messages: %w", err)
	}
	for i := range messages {
		switch sa, err := unix.ParseOrigDstAddr(&messages[i]); sa := sa.(type) {
		case *unix.SockaddrInet4:
			return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), err
		case *unix.SockaddrInet6:
			return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), err
		}
	}
	return netip.AddrPort{}, errors.New("the kernel does not say where a datagram was sent to")
}
