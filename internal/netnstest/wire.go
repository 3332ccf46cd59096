// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batchSize bounds how many packets are under way at a time.
	batchSize = 256
	// receiveBuffer is more than a batch can fill, in bytes.
	receiveBuffer = 16 << 20
	// sentinelTimeout is how long the last packet of a batch may take. It is
	// reached only if something is broken: a process that other work keeps from
	// its processor needs several seconds at worst.
	sentinelTimeout = time.Minute
)

// wire sends and receives frames at the lab's ends of the veths.
type wire struct {
	topology *Topology
	// packet sends to and receives from all veths of the lab; raw4 and raw6 send
	// from the node.
	packet, raw4, raw6 int
	number             uint32
	buffer             []byte
}

func newWire(t *Topology) (*wire, error) {
	w := &wire{topology: t, packet: -1, raw4: -1, raw6: -1, buffer: make([]byte, 2048)}
	if err := t.lab.Do(w.openLab); err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket: %w", err), w.close())
	}
	if err := t.node.Do(w.openNode); err != nil {
		return nil, errors.Join(fmt.Errorf("open raw sockets: %w", err), w.close())
	}
	return w, nil
}

func (w *wire) openLab() error {
	var err error
	w.packet, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(networkOrder(unix.ETH_P_ALL)))
	if err != nil {
		return err
	}
	return errors.Join(
		unix.SetsockoptInt(w.packet, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(w.packet, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer),
	)
}

func (w *wire) openNode() error {
	var err4, err6 error
	w.raw4, err4 = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	w.raw6, err6 = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	return errors.Join(err4, err6)
}

func (w *wire) close() error {
	var errs []error
	for _, fd := range []int{w.packet, w.raw4, w.raw6} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
