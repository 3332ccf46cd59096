// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package redirect

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// RouteTable is the number of the route table that Tierwall owns.
	RouteTable = 29815
	// RulePriority is that of the policy rules: right after the kernel's own
	// local table, and before those of network plugins.
	RulePriority = 53
)

// InstallRoutes makes packets with [MarkBit] local: a default route of type
// local in table [RouteTable], and a policy rule that leads there, for the
// families given as unix.AF_INET and unix.AF_INET6. What is there already stays.
// It refuses to use a route table in which somebody else has routes.
func InstallRoutes(families ...int) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	for _, f := range families {
		if err := refuseForeign(f, lo.Attrs().Index); err != nil {
			return err
		}
		if err := netlink.RouteReplace(route(f, lo.Attrs().Index)); err != nil {
			return fmt.Errorf("add local default route to table %d: %w", RouteTable, err)
		}
		if err := netlink.RuleAdd(rule(f)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add policy rule with priority %d for mark %#x: %w", RulePriority, MarkBit, err)
		}
	}
	return nil
}

// RemoveRoutes removes what [InstallRoutes] installed; it may be gone already.
func RemoveRoutes() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	var errs []error
	for _, f := range []int{unix.AF_INET, unix.AF_INET6} {
		if err := netlink.RuleDel(rule(f)); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("remove policy rule with priority %d for mark %#x: %w", RulePriority, MarkBit, err))
		}
		if err := netlink.RouteDel(route(f, lo.Attrs().Index)); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("remove local default route of table %d: %w", RouteTable, err))
		}
	}
	return errors.Join(errs...)
}

// gone tells whether the kernel has no such thing, or not even the family.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EAFNOSUPPORT)
}

// refuseForeign fails if the table has any route that is not Tierwall's.
func refuseForeign(family, loopback int) error {
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: RouteTable}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list route table %d: %w", RouteTable, err)
	}
	for _, r := range routes {
		if r.LinkIndex != loopback || r.Type != unix.RTN_LOCAL {
			return fmt.Errorf("route table %d has a route that is not Tierwall's (%s): move it to another table, "+
				"domain names need this one", RouteTable, r)
		}
	}
	return nil
}

func route(family, loopback int) *netlink.Route {
	return &netlink.Route{
		Family: family, Table: RouteTable, LinkIndex: loopback, Dst: everything(family),
		Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
	}
}

func rule(family int) *netlink.Rule {
	mask := uint32(MarkBit)
	r := netlink.NewRule()
	r.Family, r.Table, r.Priority = family, RouteTable, RulePriority
	r.Mark, r.Mask = MarkBit, &mask
	return r
}

func everything(family int) *net.IPNet {
	size := net.IPv4len
	if family == unix.AF_INET6 {
		size = net.IPv6len
	}
	return &net.IPNet{IP: make(net.IP, size), Mask: net.CIDRMask(0, 8*size)}
}
