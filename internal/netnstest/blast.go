// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Blast sends packets one after the other as fast as it can, without looking
// where they arrive, and returns how long that took: the whole path of each, from
// a pod or the outside through the node to where it is dropped or delivered, runs
// within its system call. Packets with SrcPort 0 get consecutive ports.
func (t *Topology) Blast(packets []Packet) (time.Duration, error) {
	frames, links := make([][]byte, len(packets)), make([]unix.SockaddrLinklayer, len(packets))
	for i := range packets {
		a := t.ports[packets[i].From]
		if a == nil {
			return 0, fmt.Errorf("packet %d: port %d does not exist", i, packets[i].From)
		}
		frames[i] = packets[i].frame(a.nodeMAC, a.labMAC, uint32(i))
		links[i] = unix.SockaddrLinklayer{Ifindex: a.labLink}
	}
	var took time.Duration
	err := onThread(func() error {
		if err := stayOnCPU(); err != nil {
			return err
		}
		return t.deaf(func() error {
			start := time.Now()
			for i, frame := range frames {
				if err := unix.Sendto(t.wire.packet, frame, 0, &links[i]); err != nil {
					return fmt.Errorf("send packet %d: %w", i, err)
				}
			}
			took = time.Since(start)
			return nil
		})
	})
	return took, err
}

// deaf runs f while what arrives is not received, which would cost time: the
// socket listens to the lab's loopback only.
func (t *Topology) deaf(f func() error) error {
	const loopback = 1
	listen := func(link int) error {
		return unix.Bind(t.wire.packet, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: link})
	}
	if err := listen(loopback); err != nil {
		return fmt.Errorf("stop receiving: %w", err)
	}
	return errors.Join(f(), listen(0))
}
