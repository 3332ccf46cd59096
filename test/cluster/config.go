// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"
	"regexp"
	"time"
)

// IPFamily says which addresses nodes, pods and Services have.
type IPFamily string

// The address families of a cluster. DualStack has IPv4 as its first family.
const (
	DualStack IPFamily = "dual"
	IPv4      IPFamily = "ipv4"
	IPv6      IPFamily = "ipv6"
)

// CNI names the plugin that connects pods to their node.
type CNI string

// The plugins a cluster can use. With PTP every packet of a pod is routed by
// its node. With Bridge, packets between pods of one node pass a Linux bridge
// and reach netfilter's IP hooks only through br_netfilter, which the nodes
// have switched on.
const (
	PTP    CNI = "ptp"
	Bridge CNI = "bridge"
)

// Config describes a cluster. The zero value, with a Name, is a dual-stack
// cluster of two nodes.
type Config struct {
	// Name tells clusters on one machine apart: 1 to 16 lower-case letters and
	// digits, beginning with a letter. Required.
	Name string `json:"name"`
	// Nodes is how many nodes there are, named node1, node2 and so on. 1 to 100;
	// 0 means 2.
	Nodes int `json:"nodes"`
	// IPFamily defaults to DualStack.
	IPFamily IPFamily `json:"ipFamily"`
	// CNI defaults to PTP.
	CNI CNI `json:"cni"`
	// DNSUpstreams are servers that the cluster's DNS asks for names outside the
	// cluster. Without any, such names are refused.
	DNSUpstreams []netip.AddrPort `json:"dnsUpstreams,omitempty"`
	// Timeout bounds the start, binaries not counted. 0 means 3 minutes.
	Timeout time.Duration `json:"timeout"`
	// Progress receives a line for each step, with the time since the start. May
	// be nil.
	Progress func(format string, args ...any) `json:"-"`
}

const (
	defaultNodes   = 2
	maxNodes       = 100
	defaultTimeout = 3 * time.Minute
)

func (c Config) withDefaults() Config {
	if c.Nodes == 0 {
		c.Nodes = defaultNodes
	}
	if c.IPFamily == "" {
		c.IPFamily = DualStack
	}
	if c.CNI == "" {
		c.CNI = PTP
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Progress == nil {
		c.Progress = func(string, ...any) {}
	}
	return c
}

func (c Config) validate() error {
	if err := validateName(c.Name); err != nil {
		return err
	}
	if c.Nodes < 1 || c.Nodes > maxNodes {
		return fmt.Errorf("cluster %s: Nodes is %d: give 1 to %d", c.Name, c.Nodes, maxNodes)
	}
	switch c.IPFamily {
	case DualStack, IPv4, IPv6:
	default:
		return fmt.Errorf("cluster %s: IPFamily is %q: give %q, %q or %q", c.Name, c.IPFamily, DualStack, IPv4, IPv6)
	}
	switch c.CNI {
	case PTP, Bridge:
	default:
		return fmt.Errorf("cluster %s: CNI is %q: give %q or %q", c.Name, c.CNI, PTP, Bridge)
	}
	return nil
}

// validateName keeps names free of what separates parts of a name elsewhere,
// so that no cluster's objects are taken for another's.
func validateName(name string) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`).MatchString(name) {
		return fmt.Errorf("cluster Name is %q: give 1 to 16 lower-case letters and digits, beginning with a letter", name)
	}
	return nil
}
