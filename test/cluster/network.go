// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"

	"github.com/tierwall/tierwall/test/cluster/internal/netlab"
)

// controlPlane is the role of the namespace with etcd and the API server.
const controlPlane = "control-plane"

// switchBridge is the bridge in the switch namespace that nodes are plugged in.
const switchBridge = "nodes"

// namespacePrefix begins the names of all namespaces of a cluster.
func namespacePrefix(name string) string { return "tierwall-" + name + "-" }

func (c *Cluster) namespace(role string) netlab.Namespace {
	return netlab.Open(namespacePrefix(c.state.Config.Name) + role)
}

func nodeName(node int) string { return fmt.Sprintf("node%d", node) }

// createNetwork makes the switch and connects control plane and nodes to it.
func (c *Cluster) createNetwork() error {
	if err := c.createSwitch(); err != nil {
		return err
	}
	if err := c.createMember(controlPlane, family.controlPlaneAddr); err != nil {
		return err
	}
	for node := 1; node <= c.state.Config.Nodes; node++ {
		if err := c.createMember(nodeName(node), func(f family) netip.Addr { return f.nodeAddr(node) }); err != nil {
			return err
		}
	}
	return c.routePods()
}

// createSwitch makes the namespace that stands for all the wires and routers
// between nodes and to the world outside.
func (c *Cluster) createSwitch() error {
	sw, err := c.createNamespace("switch")
	if err != nil {
		return err
	}
	addresses := make([]netip.Prefix, 0, len(c.families))
	for _, f := range c.families {
		addresses = append(addresses, f.on(f.switchAddr()))
	}
	return sw.Bridge(switchBridge, addresses)
}

// createMember makes a namespace on the switch that sends what is for other
// networks to it.
func (c *Cluster) createMember(role string, addr func(family) netip.Addr) error {
	member, err := c.createNamespace(role)
	if err != nil {
		return err
	}
	cable := netlab.Cable{From: c.namespace("switch"), FromName: role, Bridge: switchBridge, To: member}
	var routes []netlab.Route
	for _, f := range c.families {
		cable.ToAddresses = append(cable.ToAddresses, f.on(addr(f)))
		routes = append(routes, netlab.Route{Destination: f.all, Gateway: f.switchAddr(), Link: "eth0"})
	}
	if err := netlab.Connect(cable); err != nil {
		return err
	}
	return member.AddRoutes(routes...)
}

func (c *Cluster) createNamespace(role string) (netlab.Namespace, error) {
	ns, err := netlab.Create(namespacePrefix(c.state.Config.Name) + role)
	if err != nil {
		return ns, err
	}
	return ns, ns.Sysctl(map[string]string{
		"ipv4/ip_forward":              "1",
		"ipv6/conf/all/forwarding":     "1",
		"ipv6/conf/default/forwarding": "1",
		// No other machine is on these links: addresses are usable at once.
		"ipv6/conf/default/accept_dad": "0",
	})
}

// routePods tells the switch, the control plane and every node which node has
// which pods.
func (c *Cluster) routePods() error {
	for node := 1; node <= c.state.Config.Nodes; node++ {
		for _, f := range c.families {
			if err := c.routePodsOf(node, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) routePodsOf(node int, f family) error {
	route := netlab.Route{Destination: f.podCIDR(node), Gateway: f.nodeAddr(node), Link: switchBridge}
	if err := c.namespace("switch").AddRoutes(route); err != nil {
		return err
	}
	route.Link = "eth0"
	roles := []string{controlPlane}
	for other := 1; other <= c.state.Config.Nodes; other++ {
		if other != node {
			roles = append(roles, nodeName(other))
		}
	}
	for _, role := range roles {
		if err := c.namespace(role).AddRoutes(route); err != nil {
			return err
		}
	}
	return nil
}
