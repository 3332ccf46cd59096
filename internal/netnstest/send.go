// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Send sends packets and returns where each arrived: a pod, the uplink, Host if
// the node itself answered it, or Nowhere if it was dropped.
//
// Packets are sent one after the other, all on one CPU, where each is handled
// completely before the next. A batch ends with a packet that nothing drops:
// what has not arrived by then never will.
func (t *Topology) Send(packets []Packet) ([]Port, error) {
	arrived := make([]Port, len(packets))
	err := onThread(func() error {
		if err := stayOnCPU(); err != nil {
			return err
		}
		for first := 0; first < len(packets); first += batchSize {
			last := min(first+batchSize, len(packets))
			if err := t.wire.exchange(packets[first:last], arrived[first:last]); err != nil {
				return fmt.Errorf("packets %d to %d: %w", first, last, err)
			}
		}
		return nil
	})
	return arrived, err
}

// ForgetConnections empties the node's connection tracking table.
func (t *Topology) ForgetConnections() error {
	if err := t.node.links.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		return fmt.Errorf("flush conntrack table: %w", err)
	}
	return nil
}

// stayOnCPU keeps the thread where it is, and with it the queue that its packets
// go through.
func stayOnCPU() error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("get CPU affinity: %w", err)
	}
	for cpu := range 1024 {
		if allowed.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("set CPU affinity: %w", err)
	}
	return nil
}

// sentinel passes from the outside to the outside.
func sentinel() *Packet {
	return &Packet{
		From: Uplink, Protocol: unix.IPPROTO_UDP, DstPort: 9,
		Src: netip.MustParseAddr("198.18.255.1"), Dst: netip.MustParseAddr("198.18.255.2"),
	}
}

// exchange sends one batch and notes where its packets arrive.
func (w *wire) exchange(packets []Packet, arrived []Port) error {
	if err := w.freshSourcePorts(len(packets) + 1); err != nil {
		return err
	}
	first := w.number
	for i := range packets {
		if err := w.send(&packets[i], first+uint32(i)); err != nil {
			return fmt.Errorf("send packet from %s to %s: %w", packets[i].Src, packets[i].Dst, err)
		}
	}
	last := first + uint32(len(packets))
	if err := w.send(sentinel(), last); err != nil {
		return fmt.Errorf("send sentinel: %w", err)
	}
	w.number = last + 1
	return w.collect(first, last, arrived)
}

// freshSourcePorts forgets all connections before a source port comes again.
// Numbers never do: an answer that comes late must not be taken for another's.
func (w *wire) freshSourcePorts(count int) error {
	const available = 1<<16 - firstSourcePort
	if int(w.number%available)+count <= available {
		return nil
	}
	w.number += available - w.number%available
	return w.topology.ForgetConnections()
}

func (w *wire) send(p *Packet, number uint32) error {
	if p.From == Host {
		return w.sendFromNode(p, number)
	}
	a := w.topology.ports[p.From]
	if a == nil {
		return fmt.Errorf("port %d does not exist", p.From)
	}
	return unix.Sendto(w.packet, p.frame(a.nodeMAC, a.labMAC, number), 0, &unix.SockaddrLinklayer{Ifindex: a.labLink})
}

// sendFromNode sends a packet that may have any source. One that the output hook
// drops is an error of the socket, but not of ours.
func (w *wire) sendFromNode(p *Packet, number uint32) error {
	var err error
	if p.Dst.Is4() {
		err = unix.Sendto(w.raw4, p.bytes(number), 0, &unix.SockaddrInet4{Addr: p.Dst.As4()})
	} else {
		err = unix.Sendto(w.raw6, p.bytes(number), 0, &unix.SockaddrInet6{Addr: p.Dst.As16()})
	}
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// collect reads frames until the sentinel comes.
func (w *wire) collect(first, last uint32, arrived []Port) error {
	deadline := time.Now().Add(sentinelTimeout)
	for {
		n, from, err := unix.Recvfrom(w.packet, w.buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if err := w.wait(deadline); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		number, answered, ok := identify(w.buffer[:n])
		switch {
		case !ok || number < first || number > last:
		case number == last:
			return nil
		case answered:
			arrived[number-first] = Host
		default:
			arrived[number-first] = w.topology.links[link.Ifindex]
		}
	}
}

func (w *wire) wait(deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return fmt.Errorf("the last packet of a batch did not arrive within %s: forwarding is broken", sentinelTimeout)
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(w.packet), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
