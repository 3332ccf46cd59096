// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
)

const (
	streamPort   = 5001
	responsePort = 80
	// streamBlock is how much a system call of the stream carries, and
	// requestSize a request and its response, in bytes.
	streamBlock = 256 << 10
	requestSize = 64
)

// servers take streams, and answer requests.
type servers struct {
	listeners []net.Listener
	running   sync.WaitGroup
}

func serve(in *netnstest.Namespace, address netip.Addr) (*servers, error) {
	s := &servers{}
	for port, handle := range map[uint16]func(net.Conn){streamPort: swallow, responsePort: respond} {
		var l net.Listener
		err := in.Do(func() error {
			var err error
			l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, port)))
			return err
		})
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		s.listeners = append(s.listeners, l)
		s.running.Go(func() { accept(l, handle) })
	}
	return s, nil
}

// accept handles one connection after the other until the listener is closed.
func accept(l net.Listener, handle func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		handle(conn)
		_ = conn.Close()
	}
}

func swallow(conn net.Conn) {
	// The type that Copy would use to do without a buffer is hidden.
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, streamBlock))
}

func respond(conn net.Conn) {
	buffer := make([]byte, requestSize)
	if _, err := io.ReadFull(conn, buffer); err == nil {
		_, _ = conn.Write(buffer)
	}
}

func (s *servers) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.running.Wait()
}

// dial connects from a namespace. The connection is reset when it is closed, so
// that no port has to wait.
func dial(in *netnstest.Namespace, address string) (*net.TCPConn, error) {
	var conn net.Conn
	err := in.Do(func() error {
		var err error
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), conn.(*net.TCPConn).SetLinger(0)
}

// stream sends for a while over one connection and returns bit/s.
func stream(in *netnstest.Namespace, address string, duration time.Duration) (float64, error) {
	conn, err := dial(in, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	block := make([]byte, streamBlock)
	start, sent := time.Now(), 0
	for time.Since(start) < duration {
		n, err := conn.Write(block)
		if err != nil {
			return 0, err
		}
		sent += n
	}
	return float64(sent) * 8 / time.Since(start).Seconds(), nil
}

// request connects, sends a request, waits for the response, and closes, again
// and again for a while, and returns how often in a second. It does so on one
// thread in plain system calls: Go's poller would cost more than the network.
func request(in *netnstest.Namespace, address string, duration time.Duration) (float64, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	var rate float64
	err = in.Do(func() error {
		// The Go runtime's signals would interrupt what has a time-out.
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGURG - 1)}}, nil); err != nil {
			return fmt.Errorf("block signals: %w", err)
		}
		start, count := time.Now(), 0
		for ; time.Since(start) < duration; count++ {
			if err := requestOnce(to); err != nil {
				return err
			}
		}
		rate = float64(count) / time.Since(start).Seconds()
		return nil
	})
	return rate, err
}

func requestOnce(to netip.AddrPort) (err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	err = errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 5}),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}),
	)
	if err != nil {
		return err
	}
	buffer := make([]byte, requestSize)
	if _, err := unix.Write(fd, buffer); err != nil {
		return err
	}
	for got := 0; got < len(buffer); {
		n, err := unix.Read(fd, buffer)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		got += n
	}
	return nil
}
