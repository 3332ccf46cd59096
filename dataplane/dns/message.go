// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/ruleset"
)

// headerLength of a DNS message, in bytes.
const headerLength = 12

// What makes a message one that is passed to nobody.
var (
	errNoMessage = errors.New("is no DNS message")
	errNoQuery   = errors.New("is no standard query with one question")
	errNotOurs   = errors.New("is no answer to the question asked")
)

// query is a question that a pod asked.
type query struct {
	id       uint16
	question dns.Question
	// size is how large an answer over UDP may be, in bytes.
	size int
	// packet is the message as the pod sent it.
	packet []byte
}

// parseQuery judges a message from a pod.
func parseQuery(packet []byte) (*query, error) {
	var m dns.Msg
	if err := m.Unpack(packet); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMessage, err)
	}
	if m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 || len(m.Answer)+len(m.Ns) != 0 {
		return nil, errNoQuery
	}
	q := &query{id: m.Id, question: m.Question[0], size: dns.MinMsgSize, packet: packet}
	if opt := m.IsEdns0(); opt != nil {
		q.size = max(q.size, int(opt.UDPSize()))
	}
	return q, nil
}

// forward returns the message to ask the server with, under another ID: who
// only saw the pod's message does not know it.
func (q *query) forward(id uint16) []byte {
	packet := slices.Clone(q.packet)
	binary.BigEndian.PutUint16(packet, id)
	return packet
}

// parseAnswer judges a message from the server that was asked with that ID.
func (q *query) parseAnswer(packet []byte, id uint16) (*dns.Msg, error) {
	if len(packet) < headerLength {
		return nil, errNoMessage
	}
	if binary.BigEndian.Uint16(packet) != id {
		return nil, errNotOurs
	}
	m := &dns.Msg{}
	if err := m.Unpack(packet); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMessage, err)
	}
	if !m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 || !sameQuestion(m.Question[0], q.question) {
		return nil, errNotOurs
	}
	return m, nil
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// limitTTL lowers the TTLs of an answer: nobody may rely on an address for
// longer than it is kept.
func limitTTL(m *dns.Msg, limit time.Duration) {
	for _, rr := range m.Answer {
		h := rr.Header()
		h.Ttl = min(h.Ttl, uint32(limit/time.Second))
	}
}

// reply returns the message for the pod: m with the pod's ID. It is at most size
// bytes long, or says that it was truncated.
func (q *query) reply(m *dns.Msg, size int) ([]byte, error) {
	m.Id = q.id
	m.Compress = true
	m.Truncate(size)
	packet, err := m.Pack()
	if err == nil {
		// Some records that are malformed can be read, but not written.
		err = new(dns.Msg).Unpack(packet)
	}
	if err != nil {
		return nil, fmt.Errorf("%w that can be packed again: %w", errNoMessage, err)
	}
	return packet, nil
}

// record is an address in an answer.
type record struct {
	address netip.Addr
	ttl     time.Duration
}

// learn returns the names that an answer speaks of, the one asked and those it
// is an alias of, and the addresses at the end. What is in the message besides
// says nothing about the question.
func (q *query) learn(m *dns.Msg) (names []string, records []record) {
	if q.question.Qclass != dns.ClassINET {
		return nil, nil
	}
	chain := aliases(q.question.Name, m.Answer)
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Class == dns.ClassINET && slices.Contains(chain, dns.CanonicalName(h.Name)) {
			records = appendRecords(records, rr)
		}
	}
	for _, name := range chain {
		if name, ok := domainName(name); ok {
			names = append(names, name)
		}
	}
	return names, records
}

// maxAliases bounds how long a chain of aliases is followed.
const maxAliases = 32

// aliases follows the CNAME records, and HTTPS and SVCB records that are
// aliases or name another target, in whatever order they are.
func aliases(name string, answer []dns.RR) []string {
	targets := map[string][]string{}
	for _, rr := range answer {
		if target := aliasTarget(rr); target != "" && target != "." {
			owner := dns.CanonicalName(rr.Header().Name)
			targets[owner] = append(targets[owner], dns.CanonicalName(target))
		}
	}
	chain := []string{dns.CanonicalName(name)}
	for i := 0; i < len(chain); i++ {
		for _, target := range targets[chain[i]] {
			if len(chain) < maxAliases && !slices.Contains(chain, target) {
				chain = append(chain, target)
			}
		}
	}
	return chain
}

func aliasTarget(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.CNAME:
		return rr.Target
	case *dns.HTTPS:
		return rr.Target
	case *dns.SVCB:
		return rr.Target
	default:
		return ""
	}
}

// appendRecords adds the addresses in an A, AAAA, HTTPS or SVCB record. Hints
// are addresses that clients may connect to.
func appendRecords(records []record, rr dns.RR) []record {
	ttl := time.Duration(rr.Header().Ttl) * time.Second
	for _, ip := range recordAddresses(rr) {
		if a, ok := netip.AddrFromSlice(ip); ok && usable(a.Unmap()) {
			records = append(records, record{address: a.Unmap(), ttl: ttl})
		}
	}
	return records
}

func recordAddresses(rr dns.RR) [][]byte {
	switch rr := rr.(type) {
	case *dns.A:
		return [][]byte{rr.A}
	case *dns.AAAA:
		return [][]byte{rr.AAAA}
	case *dns.HTTPS:
		return hints(rr.Value)
	case *dns.SVCB:
		return hints(rr.Value)
	default:
		return nil
	}
}

func hints(values []dns.SVCBKeyValue) [][]byte {
	var addresses [][]byte
	for _, v := range values {
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range v.Hint {
				addresses = append(addresses, ip)
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range v.Hint {
				addresses = append(addresses, ip)
			}
		}
	}
	return addresses
}

// usable tells whether a name can stand for the address. Nobody's public name
// has a loopback, link-local or multicast address; the cloud's metadata service
// has one of the latter two.
func usable(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// domainName returns a name as policies have it. Names with an escaped
// character are no names of hosts; a dot inside of a label would else count as
// the end of the label.
func domainName(name string) (string, bool) {
	if strings.Contains(name, `\`) {
		return "", false
	}
	return ruleset.CanonicalDomain(name)
}
