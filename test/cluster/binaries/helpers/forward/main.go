// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Command forward accepts TCP connections on the listening socket that it
// inherits as file descriptor 3 and joins each to a connection to the address
// given as its argument. The socket stays in the network namespace it was made
// in and the connections start in the one the program runs in, so it connects
// two network namespaces without touching either.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: forward ADDRESS:PORT (with a listening socket as file descriptor 3)")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "forward to %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func serve(target string) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return fmt.Errorf("use file descriptor 3 as a listening socket: %w", err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept a connection: %w", err)
		}
		go join(client.(*net.TCPConn), target)
	}
}

// join copies both directions until both are closed.
func join(client *net.TCPConn, target string) {
	defer client.Close()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		fmt.Fprintf(os.Stderr, "connect to %s: %v\n", target, err)
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	var directions sync.WaitGroup
	directions.Go(func() { copyHalf(server, client) })
	directions.Go(func() { copyHalf(client, server) })
	directions.Wait()
}

// copyHalf passes on the end of the stream, so that a peer which closed only
// its sending side still receives the rest. An error of one side shows to the
// other as the end of the stream.
func copyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
