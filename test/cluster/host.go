// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"

	"github.com/tierwall/tierwall/test/cluster/internal/netlab"
	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

// HostConfig describes a machine outside of the cluster.
type HostConfig struct {
	// Name tells the hosts of a cluster apart: 1 to 10 lower-case letters and
	// digits, beginning with a letter, and not "node" with a number. Required.
	Name string `json:"name"`
	// Addresses are the host's own, of the cluster's families; at least one.
	// Nodes and pods reach them as they would the Internet, whatever they are:
	// 203.0.113.10, 2001:db8::10 or 169.254.169.254. Packets of pods arrive with
	// the address of their node. The other way, a host reaches nodes and pods
	// under their own addresses.
	Addresses []netip.Addr `json:"addresses"`
	// Networks are blocks of addresses, of the families of Addresses, that are
	// all the host's own too.
	Networks []netip.Prefix `json:"networks,omitempty"`
}

// Host is a machine outside of the cluster: a network namespace.
type Host struct {
	cluster *Cluster
	cfg     HostConfig
}

// AddHost adds a host outside of the cluster. It goes with the cluster.
func (c *Cluster) AddHost(cfg HostConfig) (*Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.validateHost(cfg); err != nil {
		return nil, err
	}
	h := &Host{cluster: c, cfg: cfg}
	if err := h.connect(); err != nil {
		return nil, fmt.Errorf("add host %s: %w", cfg.Name, err)
	}
	c.state.Hosts = append(c.state.Hosts, cfg)
	return h, c.save()
}

// Host finds a host that AddHost made, also in another program.
func (c *Cluster) Host(name string) (*Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cfg := range c.state.Hosts {
		if cfg.Name == name {
			return &Host{cluster: c, cfg: cfg}, nil
		}
	}
	return nil, fmt.Errorf("cluster %s has no host %q", c.Name(), name)
}

func (c *Cluster) validateHost(cfg HostConfig) error {
	// The interface in the switch has this name, of 15 characters at most.
	if !regexp.MustCompile(`^[a-z][a-z0-9]{0,9}$`).MatchString(cfg.Name) || regexp.MustCompile(`^node[0-9]*$|^nodes$`).MatchString(cfg.Name) {
		return fmt.Errorf("host Name is %q: give 1 to 10 lower-case letters and digits, beginning with a letter, other than a node's name", cfg.Name)
	}
	if len(cfg.Addresses) == 0 {
		return fmt.Errorf("host %s: Addresses is empty: give at least one address", cfg.Name)
	}
	for _, address := range cfg.Addresses {
		if !slices.ContainsFunc(c.families, func(f family) bool { return f.all.Contains(address) }) {
			return fmt.Errorf("host %s: Addresses: the cluster has IP family %q, so that nothing in it can reach %s", cfg.Name, c.state.Config.IPFamily, address)
		}
	}
	for _, other := range c.state.Hosts {
		if other.Name == cfg.Name {
			return fmt.Errorf("host %s: the cluster has a host of this name", cfg.Name)
		}
	}
	return nil
}

// connect lays a cable of its own to the switch, which routes to the host.
func (h *Host) connect() error {
	ns, err := h.cluster.createNamespace(h.role())
	if err != nil {
		return err
	}
	sw := h.cluster.namespace("switch")
	cable := netlab.Cable{From: sw, FromName: h.cfg.Name, FromAddresses: h.gatewayAddresses(), To: ns}
	for _, address := range h.cfg.Addresses {
		cable.ToAddresses = append(cable.ToAddresses, netip.PrefixFrom(address, address.BitLen()))
	}
	if err := netlab.Connect(cable); err != nil {
		return err
	}
	var there, back []netlab.Route
	for _, own := range cable.ToAddresses {
		there = append(there, netlab.Route{Destination: own, Link: h.cfg.Name})
	}
	for _, network := range h.cfg.Networks {
		// Neighbour discovery knows only the addresses, so they are the way there.
		there = append(there, netlab.Route{Destination: network, Gateway: h.addressLike(network.Addr()), Link: h.cfg.Name})
		back = append(back, netlab.Route{Destination: network, Link: "lo", Local: true})
	}
	for _, f := range h.families() {
		back = append(back, netlab.Route{Destination: f.all, Gateway: f.outsideGateway(), Link: "eth0"})
	}
	if err := sw.AddRoutes(there...); err != nil {
		return err
	}
	return ns.AddRoutes(back...)
}

// families are those that the host has an address of.
func (h *Host) families() []family {
	return slices.DeleteFunc(slices.Clone(h.cluster.families), func(f family) bool {
		return !slices.ContainsFunc(h.cfg.Addresses, f.all.Contains)
	})
}

// addressLike is the host's first address of the same family.
func (h *Host) addressLike(address netip.Addr) netip.Addr {
	for _, own := range h.cfg.Addresses {
		if own.Is4() == address.Is4() {
			return own
		}
	}
	return netip.Addr{}
}

// gatewayAddresses are those that the switch needs on the host's cable.
func (h *Host) gatewayAddresses() []netip.Prefix {
	for _, f := range h.families() {
		if f.all.Addr().Is6() {
			return []netip.Prefix{switchGatewayV6()}
		}
	}
	return nil
}

func (h *Host) role() string { return "host-" + h.cfg.Name }

// group is the control group of the host's processes.
func (h *Host) group() process.Group { return controlGroup(h.cluster.Name()).Child(h.role()) }

// Name is the host's name.
func (h *Host) Name() string { return h.cfg.Name }

// Addresses are the host's own, as AddHost was given them.
func (h *Host) Addresses() []netip.Addr { return slices.Clone(h.cfg.Addresses) }

// Netns is the file of the host's network namespace.
func (h *Host) Netns() string { return h.cluster.namespace(h.role()).Path() }

// Do runs fn on a thread in the host's network namespace: sockets it opens and
// processes it starts belong to the host for as long as they live. Goroutines
// that fn starts do not run there.
func (h *Host) Do(fn func() error) error { return h.cluster.namespace(h.role()).Do(fn) }

// Run runs a command in the host's network namespace to its end. An exit code
// other than zero is an *exec.ExitError in the chain of the error.
func (h *Host) Run(ctx context.Context, command ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := h.Do(func() error { return h.group().Start(cmd) }); err != nil {
		return "", "", fmt.Errorf("host %s: run %v: %w", h.cfg.Name, command, err)
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), errOut.String(), fmt.Errorf("host %s: run %v: %w: %s", h.cfg.Name, command, err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out.String(), errOut.String(), nil
}

// Process is a program that runs on a host.
type Process struct {
	*process.Process
}

// Start starts a program, such as a server, in the host's network namespace.
// It runs until its Stop or the end of the cluster, also when this program
// ends. Its output goes to a log file of the name in the cluster's directory.
func (h *Host) Start(name string, command ...string) (*Process, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("host %s: start %s: %w", h.cfg.Name, name, err)
	}
	p, err := process.Start(process.Config{
		Name:    name,
		Command: append([]string{path}, command[1:]...),
		LogFile: h.cluster.path(logsDir, h.role()+"-"+name+".log"),
		Group:   h.group(),
		Within:  h.Do,
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.cfg.Name, err)
	}
	return &Process{Process: p}, nil
}
