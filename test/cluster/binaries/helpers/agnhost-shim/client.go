// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// association is a client's side of one.
type association struct {
	conn      *net.IPConn
	from, to  uint16
	tag, peer uint32
}

// connect sets up an association and aborts it. Errors begin with the words
// that users of `agnhost connect` look for. A timeout of zero is none.
func connect(target string, timeout time.Duration) error {
	host, service, err := net.SplitHostPort(target)
	if err != nil {
		return fmt.Errorf("UNKNOWN: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return fmt.Errorf("UNKNOWN: %w", err)
	}
	address, err := net.ResolveIPAddr("ip", host)
	if err != nil {
		return fmt.Errorf("DNS: %w", err)
	}
	conn, err := net.DialIP("ip:132", nil, address)
	if err != nil {
		return fmt.Errorf("OTHER: %w", err)
	}
	defer conn.Close()
	if timeout > 0 {
		if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
			return fmt.Errorf("OTHER: %w", err)
		}
	}
	// Port and tag are random, so that connection tracking takes no two
	// associations for one.
	a := association{conn: conn, from: uint16(32768 + rand.IntN(28000)), to: uint16(port), tag: 1 + rand.Uint32N(1<<31)}
	return describe(a.handshake())
}

func (a *association) handshake() error {
	if err := a.send(0, chunkInit, initValue(a.tag)); err != nil {
		return err
	}
	value, err := a.receive(chunkInitAck)
	if err != nil {
		return err
	}
	cookie, ok := cookieOf(value)
	if a.peer, _ = initiateTag(value); !ok {
		return errors.New("the server's INIT ACK has no state cookie")
	}
	if err := a.send(a.peer, chunkCookieEcho, cookie); err != nil {
		return err
	}
	if _, err := a.receive(chunkCookieAck); err != nil {
		return err
	}
	return a.send(a.peer, chunkAbort, nil)
}

func (a *association) send(tag uint32, chunk byte, value []byte) error {
	_, err := a.conn.Write(packet{from: a.from, to: a.to, tag: tag, chunk: chunk, value: value}.marshal())
	return err
}

// receive waits for a packet of this association with the chunk wanted.
func (a *association) receive(chunk byte) ([]byte, error) {
	buffer := make([]byte, 1500)
	for {
		// Read would give the IPv4 header as well.
		n, _, err := a.conn.ReadFromIP(buffer)
		if err != nil {
			return nil, err
		}
		p, ok := unmarshal(buffer[:n])
		if ok && p.from == a.to && p.to == a.from && p.tag == a.tag && p.chunk == chunk {
			return p.value, nil
		}
	}
}

func describe(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("TIMEOUT")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("REFUSED")
	default:
		return fmt.Errorf("OTHER: %w", err)
	}
}
