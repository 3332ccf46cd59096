// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Line is a client, a node that forwards, and a server, each in a namespace of
// its own with the kernel's whole network stack, in a line: for measurements
// with real connections.
type Line struct {
	Client, Node, Server *Namespace
	// ClientAddress and ServerAddress are the ends' addresses.
	ClientAddress, ServerAddress netip.Addr
}

// NewLine makes a line; it needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
func NewLine(client, server netip.Addr) (*Line, error) {
	l := &Line{ClientAddress: client, ServerAddress: server}
	for _, n := range []**Namespace{&l.Client, &l.Node, &l.Server} {
		var err error
		if *n, err = NewNamespace(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	err := errors.Join(
		l.Node.SetSysctl(nodeSettings()),
		l.connect(l.Client, "client", client),
		l.connect(l.Server, "server", server),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build line: %w", err), l.Close())
	}
	return l, nil
}

// connect attaches an end to the node. Like pods of the ptp plugin, it has one
// address and sends everything to the node.
func (l *Line) connect(end *Namespace, name string, address netip.Addr) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: "node", PeerNamespace: netlink.NsFd(end.FD())}
	if err := l.Node.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth %s: %w", name, err)
	}
	nodeLink, nodeMAC, err := bringUp(l.Node, name)
	if err != nil {
		return err
	}
	endLink, endMAC, err := bringUp(end, "node")
	if err != nil {
		return err
	}
	link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: endLink}}
	gateway := netip.MustParseAddr("169.254.1.1")
	return errors.Join(
		end.links.AddrAdd(link, &netlink.Addr{IPNet: single(address)}),
		end.links.NeighSet(&netlink.Neigh{LinkIndex: endLink, IP: gateway.AsSlice(), HardwareAddr: nodeMAC, State: netlink.NUD_PERMANENT}),
		end.links.RouteAdd(&netlink.Route{LinkIndex: endLink, Gw: gateway.AsSlice(), Dst: everything(gateway), Flags: int(netlink.FLAG_ONLINK)}),
		l.Node.links.NeighSet(&netlink.Neigh{LinkIndex: nodeLink, IP: address.AsSlice(), HardwareAddr: endMAC, State: netlink.NUD_PERMANENT}),
		l.Node.links.RouteAdd(&netlink.Route{LinkIndex: nodeLink, Dst: single(address), Scope: netlink.SCOPE_LINK}),
		awaitUp(l.Node, name), awaitUp(end, "node"),
	)
}

// Close removes everything.
func (l *Line) Close() error {
	var errs []error
	for _, n := range []*Namespace{l.Client, l.Node, l.Server} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
