// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
)

// reference is a table to compare with.
type reference struct {
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
}

// newReference makes a forward chain whose first rule accepts what belongs to a
// connection.
func newReference(node *netnstest.Namespace) (*reference, error) {
	const buffer = 256 << 20
	conn, err := nftables.New(nftables.WithNetNSFd(node.FD()), nftables.WithSockOptions(
		func(c *netlink.Conn) error { return errors.Join(c.SetReadBuffer(buffer), c.SetWriteBuffer(buffer)) }))
	if err != nil {
		return nil, fmt.Errorf("open netlink connection: %w", err)
	}
	r := &reference{conn: conn, table: conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "reference"})}
	r.chain = conn.AddChain(&nftables.Chain{
		Table: r.table, Name: "forward", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	mask := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	r.rule(
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Verdict{Kind: expr.VerdictAccept},
	)
	return r, nil
}

func (r *reference) rule(exprs ...expr.Any) {
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: exprs})
}

// flush sends what was collected.
func (r *reference) flush() error {
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("load reference table: %w", err)
	}
	return nil
}

// conntrackOnly tracks connections and decides nothing.
func conntrackOnly(node *netnstest.Namespace) error {
	r, err := newReference(node)
	if err != nil {
		return err
	}
	return r.flush()
}

// rulePerPolicy is the straightforward rendering: for each policy a hash set of
// its peers' addresses, and a rule that looks it up.
func (s scenario) rulePerPolicy(ip6 bool) func(*netnstest.Namespace) error {
	return func(node *netnstest.Namespace) error {
		r, err := newReference(node)
		if err != nil {
			return err
		}
		for i := range s.policies {
			if err := r.policy(s, i, ip6); err != nil {
				return err
			}
			if i%500 == 499 {
				if err := r.flush(); err != nil {
					return err
				}
			}
		}
		r.rule(&expr.Verdict{Kind: expr.VerdictDrop})
		return r.flush()
	}
}

func (r *reference) policy(s scenario, i int, ip6 bool) error {
	family, offset, length, kind := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4), nftables.TypeIPAddr
	if ip6 {
		family, offset, length, kind = unix.NFPROTO_IPV6, 8, 16, nftables.TypeIP6Addr
	}
	set := &nftables.Set{Table: r.table, Name: fmt.Sprintf("peers-%d", i), KeyType: kind}
	var elements []nftables.SetElement
	for pod := i; pod < s.pods; pod += s.policies {
		elements = append(elements, nftables.SetElement{Key: podAddress(pod, ip6).AsSlice()})
	}
	if err := r.conn.AddSet(set, elements); err != nil {
		return fmt.Errorf("add set: %w", err)
	}
	r.rule(
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictAccept},
	)
	return nil
}
