// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Bridge adds a bridge with the addresses to the namespace.
func (n Namespace) Bridge(name string, addresses []netip.Prefix) error {
	return n.withNetlink(func(h *netlink.Handle) error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("namespace %s: add bridge %s: %w", n.name, name, err)
		}
		if err := n.addAddresses(h, bridge, addresses); err != nil {
			return err
		}
		return n.up(h, bridge)
	})
}

// Cable is a pair of virtual Ethernet interfaces between two namespaces.
type Cable struct {
	// From is the end in the switch. Its name must be free there.
	From     Namespace
	FromName string
	// Bridge is the bridge that the From end becomes a port of. Without one the
	// From end is an interface of its own with FromAddresses.
	Bridge        string
	FromAddresses []netip.Prefix
	// To is the other end, named "eth0", with ToAddresses.
	To          Namespace
	ToAddresses []netip.Prefix
}

// toName is the name of the interface at the far end of a cable.
const toName = "eth0"

// Connect lays the cable and sets both ends up.
func Connect(c Cable) error {
	if err := c.lay(); err != nil {
		return err
	}
	return c.To.withNetlink(func(h *netlink.Handle) error {
		link, err := h.LinkByName(toName)
		if err != nil {
			return fmt.Errorf("namespace %s: find link %s: %w", c.To.name, toName, err)
		}
		if err := c.To.addAddresses(h, link, c.ToAddresses); err != nil {
			return err
		}
		return c.To.up(h, link)
	})
}

func (c Cable) lay() error {
	to, err := netns.GetFromPath(c.To.Path())
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", c.To.name, err)
	}
	defer to.Close() //nolint:errcheck // Only read from.
	return c.From.withNetlink(func(h *netlink.Handle) error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: c.FromName},
			PeerName:  toName, PeerNamespace: netlink.NsFd(to),
		}
		if err := h.LinkAdd(veth); err != nil {
			return fmt.Errorf("connect namespaces %s and %s: %w", c.From.name, c.To.name, err)
		}
		if err := c.From.addAddresses(h, veth, c.FromAddresses); err != nil {
			return err
		}
		if err := c.plug(h, veth); err != nil {
			return err
		}
		return c.From.up(h, veth)
	})
}

func (c Cable) plug(h *netlink.Handle, veth netlink.Link) error {
	if c.Bridge == "" {
		return nil
	}
	bridge, err := h.LinkByName(c.Bridge)
	if err != nil {
		return fmt.Errorf("namespace %s: find bridge %s: %w", c.From.name, c.Bridge, err)
	}
	if err := h.LinkSetMaster(veth, bridge); err != nil {
		return fmt.Errorf("namespace %s: plug %s into %s: %w", c.From.name, c.FromName, c.Bridge, err)
	}
	return nil
}

// Route is a way to a destination: through a gateway, over a link, or both. An
// invalid Gateway means that the destination is on the link itself.
type Route struct {
	Destination netip.Prefix
	Gateway     netip.Addr
	Link        string
	// Local makes the destination the namespace's own addresses.
	Local bool
}

// AddRoutes adds routes to the namespace. A gateway need not lie in a network
// of the link.
func (n Namespace) AddRoutes(routes ...Route) error {
	return n.withNetlink(func(h *netlink.Handle) error {
		for _, r := range routes {
			if err := addRoute(h, r); err != nil {
				return fmt.Errorf("namespace %s: add route to %s via %s: %w", n.name, r.Destination, r.Gateway, err)
			}
		}
		return nil
	})
}

func addRoute(h *netlink.Handle, r Route) error {
	link, err := h.LinkByName(r.Link)
	if err != nil {
		return fmt.Errorf("find link %s: %w", r.Link, err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.Destination)}
	if r.Gateway.IsValid() {
		route.Gw = r.Gateway.AsSlice()
		route.Flags = int(netlink.FLAG_ONLINK)
	}
	if r.Local {
		route.Type, route.Table, route.Scope = unix.RTN_LOCAL, unix.RT_TABLE_LOCAL, netlink.SCOPE_HOST
	}
	return h.RouteAdd(route)
}

func (n Namespace) addAddresses(h *netlink.Handle, link netlink.Link, addresses []netip.Prefix) error {
	for _, prefix := range addresses {
		address := &netlink.Addr{IPNet: ipNet(prefix)}
		if prefix.Addr().Is6() {
			// Nobody else is on these links, so there is no duplicate to wait for.
			address.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, address); err != nil {
			return fmt.Errorf("namespace %s: add address %s to %s: %w", n.name, prefix, link.Attrs().Name, err)
		}
	}
	return nil
}

func (n Namespace) up(h *netlink.Handle, link netlink.Link) error {
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("namespace %s: set link %s up: %w", n.name, link.Attrs().Name, err)
	}
	return nil
}

// ipNet keeps the host bits: the address of an interface has them.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
