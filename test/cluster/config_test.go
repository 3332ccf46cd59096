// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"strings"
	"testing"
)

func TestDefaultsAreValid(t *testing.T) {
	cfg := Config{Name: "demo"}.withDefaults()
	if err := cfg.validate(); err != nil {
		t.Error(err)
	}
	if cfg.Nodes != 2 || cfg.IPFamily != DualStack || cfg.CNI != PTP {
		t.Errorf("defaults are %d nodes, family %s, CNI %s", cfg.Nodes, cfg.IPFamily, cfg.CNI)
	}
}

func TestBadConfigIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no name": {Config{}, "Name is"},
		// It would be taken for a part of the cluster "demo".
		"name with a dash": {Config{Name: "demo-2"}, `"demo-2"`},
		"path as name":     {Config{Name: "../demo"}, "Name is"},
		"too many nodes":   {Config{Name: "demo", Nodes: 101}, "Nodes is 101"},
		"negative nodes":   {Config{Name: "demo", Nodes: -1}, "Nodes is -1"},
		"unknown family":   {Config{Name: "demo", IPFamily: "ipv5"}, "IPFamily"},
		"unknown plugin":   {Config{Name: "demo", CNI: "cilium"}, "CNI"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.cfg.withDefaults().validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestBadHostIsNamed(t *testing.T) {
	address := []netip.Addr{netip.MustParseAddr("203.0.113.10")}
	c := &Cluster{families: IPv4.plan(), state: state{
		Config: Config{Name: "demo", IPFamily: IPv4}, Hosts: []HostConfig{{Name: "web", Addresses: address}},
	}}
	for name, tc := range map[string]struct {
		cfg  HostConfig
		want string
	}{
		"no name":      {HostConfig{Addresses: address}, "host Name"},
		"node's name":  {HostConfig{Name: "node1", Addresses: address}, "host Name"},
		"bridge's":     {HostConfig{Name: switchBridge, Addresses: address}, "host Name"},
		"too long":     {HostConfig{Name: "abcdefghijk", Addresses: address}, "host Name"},
		"taken":        {HostConfig{Name: "web", Addresses: address}, "a host of this name"},
		"no address":   {HostConfig{Name: "dns"}, "Addresses is empty"},
		"other family": {HostConfig{Name: "dns", Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::10")}}, "2001:db8::10"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.validateHost(tc.cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestUpstreamImageNamesAreFound(t *testing.T) {
	names, err := upstreamAgnhostNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(name, "/agnhost:") {
			t.Errorf("name %q is not one of agnhost", name)
		}
	}
}
