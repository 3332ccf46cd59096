// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strconv"
)

// serverTag is the verification tag of every association: the server keeps no
// state, so that there is nothing to tell them apart for.
const serverTag = 0x7465726d

// serve answers those who set up associations with the ports, until it fails.
func serve(names []string) error {
	var ports []uint16
	for _, name := range names {
		port, err := strconv.ParseUint(name, 10, 16)
		if err != nil {
			return fmt.Errorf("SERVE_SCTP_PORT_%s: give a port number: %w", name, err)
		}
		ports = append(ports, uint16(port))
	}
	failed := make(chan error)
	for network, address := range map[string]string{"ip4:132": "0.0.0.0", "ip6:132": "::"} {
		conn, err := net.ListenPacket(network, address)
		if err != nil {
			return fmt.Errorf("serve SCTP ports %v: %w", ports, err)
		}
		go func() { failed <- answerAll(conn, ports) }()
	}
	fmt.Printf("agnhost porter: this kernel has no SCTP sockets: serving %v with raw packets\n", ports)
	return <-failed
}

func answerAll(conn net.PacketConn, ports []uint16) error {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("receive SCTP packets: %w", err)
		}
		request, ok := unmarshal(buffer[:n])
		if !ok || !slices.Contains(ports, request.to) {
			continue
		}
		if reply, ok := answer(request); ok {
			// One that cannot be sent is lost like any other packet.
			_, _ = conn.WriteTo(reply.marshal(), from)
		}
	}
}

// answer is the server's side of the handshake. The cookie is the client's tag,
// which is all that the last step needs.
func answer(request packet) (packet, bool) {
	reply := packet{from: request.to, to: request.from}
	switch request.chunk {
	case chunkInit:
		tag, ok := initiateTag(request.value)
		if !ok {
			return packet{}, false
		}
		reply.tag, reply.chunk = tag, chunkInitAck
		reply.value = appendCookie(initValue(serverTag), binary.BigEndian.AppendUint32(nil, tag))
	case chunkCookieEcho:
		if request.tag != serverTag || len(request.value) != 4 {
			return packet{}, false
		}
		reply.tag, reply.chunk = binary.BigEndian.Uint32(request.value), chunkCookieAck
	default:
		return packet{}, false
	}
	return reply, true
}
