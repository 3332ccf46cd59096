// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"hash/crc32"
)

// Types of chunk (RFC 9260, section 3.2).
const (
	chunkInit       = 1
	chunkInitAck    = 2
	chunkAbort      = 6
	chunkCookieEcho = 10
	chunkCookieAck  = 11
)

const (
	headerSize      = 12
	chunkHeaderSize = 4
	// initSize is the fixed part of an INIT and an INIT ACK: initiate tag, window,
	// streams both ways, first sequence number.
	initSize = 16
	// paramStateCookie is the only parameter this program writes or reads.
	paramStateCookie = 7
)

// packet is an SCTP packet with a single chunk, whose length is a multiple of
// four, as those of a handshake are.
type packet struct {
	from, to uint16
	// tag is the receiver's verification tag.
	tag   uint32
	chunk byte
	value []byte
}

func (p packet) marshal() []byte {
	b := binary.BigEndian.AppendUint16(nil, p.from)
	b = binary.BigEndian.AppendUint16(b, p.to)
	b = binary.BigEndian.AppendUint32(b, p.tag)
	b = append(b, 0, 0, 0, 0, p.chunk, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(chunkHeaderSize+len(p.value)))
	b = append(b, p.value...)
	binary.LittleEndian.PutUint32(b[8:], checksum(b))
	return b
}

// unmarshal tells whether b is a whole packet that arrived unharmed.
func unmarshal(b []byte) (packet, bool) {
	if len(b) < headerSize+chunkHeaderSize {
		return packet{}, false
	}
	chunk := b[headerSize:]
	length := int(binary.BigEndian.Uint16(chunk[2:]))
	if length < chunkHeaderSize || length > len(chunk) || binary.LittleEndian.Uint32(b[8:]) != checksum(b) {
		return packet{}, false
	}
	return packet{
		from:  binary.BigEndian.Uint16(b),
		to:    binary.BigEndian.Uint16(b[2:]),
		tag:   binary.BigEndian.Uint32(b[4:]),
		chunk: chunk[0],
		value: chunk[chunkHeaderSize:length],
	}, true
}

// checksum is the CRC32c of a packet with zeros in place of its checksum.
func checksum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:8])
	sum = crc32.Update(sum, table, make([]byte, 4))
	return crc32.Update(sum, table, b[headerSize:])
}

// initValue is the value of an INIT or INIT ACK; tag is the sender's own.
func initValue(tag uint32) []byte {
	const window, streams, sequence = 65536, 1, 1
	b := binary.BigEndian.AppendUint32(nil, tag)
	b = binary.BigEndian.AppendUint32(b, window)
	b = binary.BigEndian.AppendUint16(b, streams)
	b = binary.BigEndian.AppendUint16(b, streams)
	return binary.BigEndian.AppendUint32(b, sequence)
}

// initiateTag is the sender's tag in the value of an INIT or INIT ACK.
func initiateTag(value []byte) (uint32, bool) {
	if len(value) < initSize {
		return 0, false
	}
	return binary.BigEndian.Uint32(value), true
}

func appendCookie(value, cookie []byte) []byte {
	value = binary.BigEndian.AppendUint16(value, paramStateCookie)
	value = binary.BigEndian.AppendUint16(value, uint16(chunkHeaderSize+len(cookie)))
	return append(value, cookie...)
}

// cookieOf reads the state cookie, which this program's peers put first.
func cookieOf(value []byte) ([]byte, bool) {
	if len(value) < initSize+4 {
		return nil, false
	}
	param := value[initSize:]
	length := int(binary.BigEndian.Uint16(param[2:]))
	if binary.BigEndian.Uint16(param) != paramStateCookie || length < 4 || length > len(param) {
		return nil, false
	}
	return param[4:length], true
}
