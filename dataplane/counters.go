// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/ruleset"
)

// Counter says how often a decision was made.
type Counter struct {
	Decision ruleset.Decision
	// Packets and Bytes count the first packets of connections (all packets,
	// where there is no connection yet because of the decision), since the
	// decision's chain was last written.
	Packets, Bytes uint64
}

// Counters reads the counters of all decisions in the applied table, in no
// particular order. There are none before the first Apply. It reads all rules in
// one go over a connection of its own, so that an Apply need not wait for it.
func (d *Dataplane) Counters(ctx context.Context) ([]Counter, error) {
	decisions := d.decisionsByChain()
	if len(decisions) == 0 {
		return nil, nil
	}
	rules, err := dumpRules(d.config.Netns)
	if err != nil {
		return nil, fmt.Errorf("read counters of table inet %s: %w", TableName, err)
	}
	counters := make([]Counter, 0, len(decisions))
	for _, message := range rules {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := parseCountedRule(message.Data)
		if err != nil {
			return nil, fmt.Errorf("read counters of table inet %s: %w", TableName, err)
		}
		if decision, ok := decisions[r.chain]; ok {
			counters = append(counters, Counter{Decision: decision, Packets: r.packets, Bytes: r.bytes})
		}
	}
	return counters, nil
}

func (d *Dataplane) decisionsByChain() map[string]ruleset.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mirror == nil {
		return nil
	}
	decisions := make(map[string]ruleset.Decision, len(d.mirror.decisions))
	for decision := range d.mirror.decisions {
		decisions[d.mirror.generation.name(decisionChain(decision))] = decision
	}
	return decisions
}

// dumpRules asks for all rules of the table. google/nftables can only ask for
// those of one chain.
func dumpRules(netns int) (_ []netlink.Message, err error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns})
	if err != nil {
		return nil, fmt.Errorf("open netlink connection: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: append([]byte(TableName), 0)},
	})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attributes...),
	})
}

// countedRule is a rule's chain and what its counter says.
type countedRule struct {
	chain          string
	packets, bytes uint64
}

// parseCountedRule decodes a NFT_MSG_NEWRULE message (linux/netfilter/nf_tables.h).
func parseCountedRule(data []byte) (countedRule, error) {
	const header = 4 // struct nfgenmsg
	if len(data) < header {
		return countedRule{}, fmt.Errorf("message of %d bytes has no header", len(data))
	}
	decoder, err := netlink.NewAttributeDecoder(data[header:])
	if err != nil {
		return countedRule{}, fmt.Errorf("decode rule: %w", err)
	}
	var r countedRule
	for decoder.Next() {
		switch decoder.Type() {
		case unix.NFTA_RULE_CHAIN:
			r.chain = decoder.String()
		case unix.NFTA_RULE_EXPRESSIONS:
			decoder.Nested(r.expressions)
		}
	}
	return r, decoder.Err()
}

func (r *countedRule) expressions(decoder *netlink.AttributeDecoder) error {
	for decoder.Next() {
		decoder.Nested(r.expression)
	}
	return nil
}

func (r *countedRule) expression(decoder *netlink.AttributeDecoder) error {
	name := ""
	for decoder.Next() {
		switch {
		case decoder.Type() == unix.NFTA_EXPR_NAME:
			name = decoder.String()
		case decoder.Type() == unix.NFTA_EXPR_DATA && name == "counter":
			decoder.Nested(r.counter)
		}
	}
	return nil
}

func (r *countedRule) counter(decoder *netlink.AttributeDecoder) error {
	decoder.ByteOrder = binary.BigEndian
	for decoder.Next() {
		switch decoder.Type() {
		case unix.NFTA_COUNTER_PACKETS:
			r.packets = decoder.Uint64()
		case unix.NFTA_COUNTER_BYTES:
			r.bytes = decoder.Uint64()
		}
	}
	return nil
}
