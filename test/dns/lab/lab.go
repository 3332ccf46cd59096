// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lab is a network to test and measure the DNS proxy in: a node, pods
// that are namespaces of their own, DNS servers in the cluster behind Services
// and outside of it, and an internet in which every address of two ranges
// answers. The proxy runs as a process of its own at the node, so that it can
// be killed.
//
// Everything is in network namespaces without a name, which go when the process
// ends.
package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
)

// Addresses of the lab.
const (
	// ServiceDNS is a Service of the cluster DNS, ServiceDNS6 the same over
	// IPv6, ServiceDNSOddPort one whose target port is 5353.
	ServiceDNS        = "10.96.0.10"
	ServiceDNS6       = "fd00:96::10"
	ServiceDNSOddPort = "10.96.0.11"
	// OutsideDNS and OutsideDNS6 are of a server outside of the cluster.
	OutsideDNS  = "192.0.2.53"
	OutsideDNS6 = "2001:db8::53"
	// HostDNS is of a server on the node, as a node-local DNS cache is.
	HostDNS = "169.254.20.10"
	// firstInternet and firstInternet6 begin the ranges that answer.
	firstInternet  = "198.18.0.0"
	firstInternet6 = "2001:db8:1::"
)

// podDNS is the number of the pod that is the cluster's DNS server.
const podDNS = 1

// Lab is the network.
type Lab struct {
	Node, Outside *netnstest.Namespace
	// DNS is the cluster's DNS server, Pods are the others.
	DNS  *Pod
	Pods []*Pod
	node *netlink.Handle
}

// Pod is a namespace with an address of each family.
type Pod struct {
	*netnstest.Namespace
	IP4, IP6 netip.Addr
}

// New makes a lab with that many pods; it needs to be root.
func New(pods int) (*Lab, error) {
	l := &Lab{}
	if err := l.build(pods); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build(pods int) error {
	var err error
	if l.Node, err = netnstest.NewNamespace(); err != nil {
		return err
	}
	if l.node, err = netlink.NewHandleAt(netns.NsHandle(l.Node.FD())); err != nil {
		return err
	}
	if err := l.Node.SetSysctl(map[string]string{
		"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1",
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv6/conf/default/accept_dad": "0", "ipv6/conf/all/accept_dad": "0",
	}); err != nil {
		return err
	}
	if err := l.addOutside(); err != nil {
		return err
	}
	for n := podDNS; n <= pods+podDNS; n++ {
		p, err := l.addPod(n)
		if err != nil {
			return err
		}
		if n == podDNS {
			l.DNS = p
		} else {
			l.Pods = append(l.Pods, p)
		}
	}
	return l.addTables()
}

// addOutside attaches the outside, which answers for two ranges of addresses.
func (l *Lab) addOutside() error {
	var err error
	if l.Outside, err = netnstest.NewNamespace(); err != nil {
		return err
	}
	outside, err := l.link("uplink", l.Outside)
	if err != nil {
		return err
	}
	defer outside.Close()
	return errors.Join(
		addAddresses(l.node, "lo", HostDNS+"/32"),
		addAddresses(l.node, "uplink", "192.0.2.1/24", "2001:db8::1/64"),
		addAddresses(outside, "uplink", "192.0.2.2/24", OutsideDNS+"/24", "2001:db8::2/64", OutsideDNS6+"/64"),
		addRoutes(l.node, "uplink", "0.0.0.0/0 192.0.2.2", "::/0 2001:db8::2"),
		addRoutes(outside, "uplink", "10.244.0.0/16 192.0.2.1", "fd00:244::/64 2001:db8::1"),
		addLocal(outside, firstInternet+"/15", firstInternet6+"/48"),
	)
}

// addPod attaches a pod as the ptp plugin does.
func (l *Lab) addPod(n int) (*Pod, error) {
	p := &Pod{IP4: numbered("10.244.0.0", n), IP6: numbered("fd00:244::", n)}
	var err error
	if p.Namespace, err = netnstest.NewNamespace(); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("pod%d", n)
	pod, err := l.link(name, p.Namespace)
	if err != nil {
		return nil, err
	}
	defer pod.Close()
	return p, errors.Join(
		addAddresses(l.node, name, "169.254.1.1/32", "fe80::1/64"),
		addRoutes(l.node, name, p.IP4.String()+"/32", p.IP6.String()+"/128"),
		addAddresses(pod, name, p.IP4.String()+"/32", p.IP6.String()+"/128"),
		addRoutes(pod, name, "169.254.1.1/32", "0.0.0.0/0 169.254.1.1", "::/0 fe80::1"),
	)
}

// link makes a veth from the node to a namespace, with the same name on both
// sides, and returns a handle in the latter.
func (l *Lab) link(name string, to *netnstest.Namespace) (*netlink.Handle, error) {
	if err := to.SetSysctl(map[string]string{"ipv6/conf/default/accept_dad": "0", "ipv6/conf/all/accept_dad": "0"}); err != nil {
		return nil, err
	}
	peer, err := netlink.NewHandleAt(netns.NsHandle(to.FD()))
	if err != nil {
		return nil, err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: name, PeerNamespace: netlink.NsFd(to.FD())}
	if err := l.node.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("add veth %s: %w", name, err)
	}
	for _, h := range []*netlink.Handle{l.node, peer} {
		link, err := h.LinkByName(name)
		if err == nil {
			err = h.LinkSetUp(link)
		}
		if err != nil {
			return nil, fmt.Errorf("set veth %s up: %w", name, err)
		}
	}
	return peer, nil
}

func addAddresses(h *netlink.Handle, name string, cidrs ...string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, cidr := range cidrs {
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := h.AddrAdd(link, a); err != nil {
			return fmt.Errorf("add address %s to %s: %w", cidr, name, err)
		}
	}
	return nil
}

// addRoutes adds routes written as "destination" or "destination gateway".
func addRoutes(h *netlink.Handle, name string, routes ...string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, text := range routes {
		destination, gateway, _ := strings.Cut(text, " ")
		_, dst, err := net.ParseCIDR(destination)
		if err != nil {
			return err
		}
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: net.ParseIP(gateway)}
		if gateway == "" {
			r.Scope = netlink.SCOPE_LINK
		}
		if err := h.RouteReplace(r); err != nil {
			return fmt.Errorf("add route %s of %s: %w", text, name, err)
		}
	}
	return nil
}

// addLocal makes all addresses of blocks the namespace's own.
func addLocal(h *netlink.Handle, cidrs ...string) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	for _, cidr := range cidrs {
		_, dst, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: dst, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Table: unix.RT_TABLE_LOCAL}
		if err := h.RouteReplace(r); err != nil {
			return fmt.Errorf("add local route %s: %w", cidr, err)
		}
	}
	return nil
}

// Internet returns address n of the range of a family that answers.
func Internet(ip6 bool, n int) netip.Addr {
	if ip6 {
		return numbered(firstInternet6, n)
	}
	return numbered(firstInternet, n)
}

// numbered adds n to an address.
func numbered(first string, n int) netip.Addr {
	b := netip.MustParseAddr(first).AsSlice()
	for i := len(b) - 1; n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// nft gives commands to nft at the node.
func (l *Lab) nft(commands string) error {
	return l.Node.Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(commands)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	})
}

// Close gives everything up.
func (l *Lab) Close() error {
	var errs []error
	if l.node != nil {
		l.node.Close()
	}
	namespaces := []*netnstest.Namespace{l.Node, l.Outside}
	for _, p := range append(l.Pods, l.DNS) {
		if p != nil {
			namespaces = append(namespaces, p.Namespace)
		}
	}
	for _, n := range namespaces {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
