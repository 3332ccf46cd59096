// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Port is a place where packets enter and leave: a pod's end of its veth, or one
// of the fixed ports. The zero Port is Nowhere.
type Port int

// The fixed ports.
const (
	// Nowhere is where a packet arrives that is dropped.
	Nowhere Port = iota
	// Host is the node itself: packets sent from it pass its output hook, and a
	// packet for one of its addresses arrives at it.
	Host
	// Uplink is the outside: every address that is no pod's.
	Uplink
	firstPod
)

// upTimeout is how long a veth may take to come up. It is reached only if
// something is broken.
const upTimeout = 5 * time.Second

// Addresses of the node itself.
func hostAddresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
}

// Config describes a topology.
type Config struct {
	// Pods are the addresses of each pod; its port is Topology.Pod(index).
	Pods [][]netip.Addr
	// Node is the namespace to make the node in, which the topology then owns and
	// leaves without links when it is closed; nil for a new one.
	Node *Namespace
}

// Topology is a node with pods. The node forwards between them and the uplink;
// its own addresses are those of [Topology.HostAddresses].
//
// What is behind the veths are raw sockets in a namespace of their own, which
// answer nothing: every packet sent is the first of its connection. A Topology
// is for one goroutine.
type Topology struct {
	node, lab *Namespace
	wire      *wire
	ports     map[Port]*attachment
	// links are the ports by the interface index in the lab.
	links map[int]Port
	pods  int
	// outlived is true if the node's namespace does not go with the topology.
	outlived bool
}

// attachment is a veth between the node and the lab.
type attachment struct {
	// nodeLink and labLink are interface indices.
	nodeLink, labLink int
	nodeMAC, labMAC   net.HardwareAddr
}

// New makes a topology; it needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
func New(cfg Config) (*Topology, error) {
	t := &Topology{ports: map[Port]*attachment{}, links: map[int]Port{}}
	if err := t.build(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("build topology: %w", err), t.Close())
	}
	return t, nil
}

func (t *Topology) build(cfg Config) error {
	var err error
	t.node, t.outlived = cfg.Node, cfg.Node != nil
	if !t.outlived {
		t.node, err = NewNamespace()
	}
	if err != nil {
		return err
	}
	if t.lab, err = NewNamespace(); err != nil {
		return err
	}
	if err := t.node.SetSysctl(nodeSettings()); err != nil {
		return err
	}
	if err := t.addHostAddresses(); err != nil {
		return err
	}
	if err := t.addUplink(); err != nil {
		return err
	}
	for _, addresses := range cfg.Pods {
		if _, err := t.AddPod(addresses...); err != nil {
			return err
		}
	}
	if t.wire, err = newWire(t); err != nil {
		return err
	}
	return t.awaitHost()
}

// awaitHost waits until the node answers at its own addresses: their routes come
// some time after they do.
func (t *Topology) awaitHost() error {
	outside := []netip.Addr{netip.MustParseAddr("198.18.255.1"), netip.MustParseAddr("2001:2::1")}
	for i, address := range hostAddresses() {
		probe := Packet{From: Uplink, Src: outside[i], Dst: address, Protocol: unix.IPPROTO_UDP, DstPort: 9}
		for deadline := time.Now().Add(upTimeout); ; time.Sleep(time.Millisecond) {
			arrived, err := t.Send([]Packet{probe})
			if err != nil {
				return err
			}
			if arrived[0] == Host {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the node does not answer at %s", address)
			}
		}
	}
	return nil
}

// nodeSettings make the node forward everything, believe any source, answer
// every error, and use an address right away.
func nodeSettings() map[string]string {
	return map[string]string{
		"ipv4/ip_forward":                        "1",
		"ipv4/conf/all/rp_filter":                "0",
		"ipv4/conf/default/rp_filter":            "0",
		"ipv4/conf/all/accept_local":             "1",
		"ipv4/icmp_ratemask":                     "0",
		"ipv4/ip_nonlocal_bind":                  "1",
		"ipv6/conf/all/forwarding":               "1",
		"ipv6/conf/default/accept_dad":           "0",
		"ipv6/conf/all/accept_dad":               "0",
		"ipv6/conf/default/router_solicitations": "0",
		"ipv6/icmp/ratemask":                     "2",
		"ipv6/ip_nonlocal_bind":                  "1",
	}
}

// Node returns the node's namespace, which the topology owns.
func (t *Topology) Node() *Namespace { return t.node }

// Pod returns the port of the pod with that index.
func (t *Topology) Pod(index int) Port { return firstPod + Port(index) }

// HostAddresses returns the node's own addresses, IPv4 first.
func (t *Topology) HostAddresses() []netip.Addr { return hostAddresses() }

// AddPod attaches one more pod.
func (t *Topology) AddPod(addresses ...netip.Addr) (Port, error) {
	port := t.Pod(t.pods)
	a, err := t.attach(fmt.Sprintf("pod%d", t.pods))
	if err != nil {
		return Nowhere, err
	}
	t.pods++
	t.ports[port], t.links[a.labLink] = a, port
	return port, t.Move(port, addresses...)
}

// Move has addresses lead to a port, wherever they led before.
func (t *Topology) Move(port Port, addresses ...netip.Addr) error {
	a := t.ports[port]
	if a == nil {
		return fmt.Errorf("port %d does not exist", port)
	}
	for _, address := range addresses {
		if err := t.route(a, address); err != nil {
			return err
		}
	}
	return nil
}

func (t *Topology) addHostAddresses() error {
	lo, err := t.node.links.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	for _, address := range hostAddresses() {
		if err := t.node.links.AddrReplace(lo, &netlink.Addr{IPNet: single(address), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("add address %s: %w", address, err)
		}
	}
	return nil
}

// addUplink attaches the outside and sends everything there by default.
func (t *Topology) addUplink() error {
	a, err := t.attach("uplink")
	if err != nil {
		return err
	}
	t.ports[Uplink], t.links[a.labLink] = a, Uplink
	for _, gateway := range []netip.Addr{netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("fe80::1")} {
		if err := t.neighbour(a, gateway); err != nil {
			return err
		}
		r := &netlink.Route{LinkIndex: a.nodeLink, Gw: gateway.AsSlice(), Dst: everything(gateway), Flags: int(netlink.FLAG_ONLINK)}
		if err := t.node.links.RouteAdd(r); err != nil {
			return fmt.Errorf("add default route via %s: %w", gateway, err)
		}
	}
	return nil
}

// attach makes a veth from the node to the lab.
func (t *Topology) attach(name string) (*attachment, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: name, PeerNamespace: netlink.NsFd(t.lab.FD())}
	if err := t.node.links.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("add veth %s: %w", name, err)
	}
	a := &attachment{}
	var err error
	if a.nodeLink, a.nodeMAC, err = bringUp(t.node, name); err != nil {
		return nil, err
	}
	if a.labLink, a.labMAC, err = bringUp(t.lab, name); err != nil {
		return nil, err
	}
	return a, errors.Join(awaitUp(t.node, name), awaitUp(t.lab, name))
}

// awaitUp waits until the kernel has noticed the carrier; until then a veth
// drops what it is to send.
func awaitUp(n *Namespace, name string) error {
	for deadline := time.Now().Add(upTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		link, err := n.links.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find veth %s: %w", name, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return fmt.Errorf("veth %s has no carrier after %s", name, upTimeout)
}

func bringUp(n *Namespace, name string) (int, net.HardwareAddr, error) {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return 0, nil, fmt.Errorf("find veth %s: %w", name, err)
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return 0, nil, fmt.Errorf("set veth %s up: %w", name, err)
	}
	return link.Attrs().Index, link.Attrs().HardwareAddr, nil
}

// route sends an address to an attachment.
func (t *Topology) route(a *attachment, address netip.Addr) error {
	if err := t.neighbour(a, address); err != nil {
		return err
	}
	r := &netlink.Route{LinkIndex: a.nodeLink, Dst: single(address), Scope: netlink.SCOPE_LINK}
	if err := t.node.links.RouteReplace(r); err != nil {
		return fmt.Errorf("add route to %s: %w", address, err)
	}
	return nil
}

// neighbour enters the address by hand, because nobody would answer for it.
func (t *Topology) neighbour(a *attachment, address netip.Addr) error {
	n := &netlink.Neigh{LinkIndex: a.nodeLink, IP: address.AsSlice(), HardwareAddr: a.labMAC, State: netlink.NUD_PERMANENT}
	if err := t.node.links.NeighSet(n); err != nil {
		return fmt.Errorf("add neighbour %s: %w", address, err)
	}
	return nil
}

// Close removes everything.
func (t *Topology) Close() error {
	var errs []error
	if t.wire != nil {
		errs = append(errs, t.wire.close())
	}
	if t.outlived {
		errs = append(errs, t.removeLinks())
	}
	for _, n := range []*Namespace{t.node, t.lab} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}

func (t *Topology) removeLinks() error {
	for _, a := range t.ports {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: a.nodeLink}}
		if err := t.node.links.LinkDel(link); err != nil {
			return fmt.Errorf("delete veth: %w", err)
		}
	}
	return nil
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func everything(like netip.Addr) *net.IPNet {
	return &net.IPNet{IP: make(net.IP, like.BitLen()/8), Mask: net.CIDRMask(0, like.BitLen())}
}
