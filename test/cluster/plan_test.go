// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlanOfFirstNodes(t *testing.T) {
	type addresses struct{ Switch, ControlPlane, Node, Pods, API, DNS string }
	want := map[IPFamily][]addresses{
		IPv4: {{"172.31.0.1", "172.31.0.2", "172.31.0.11", "10.244.1.0/24", "10.96.0.1", "10.96.0.10"}},
		IPv6: {{"fd00:172:31::1", "fd00:172:31::2", "fd00:172:31::b", "fd00:10:244:1::/64", "fd00:10:96::1", "fd00:10:96::a"}},
	}
	want[DualStack] = append(append([]addresses{}, want[IPv4]...), want[IPv6]...)
	for families, wanted := range want {
		t.Run(string(families), func(t *testing.T) {
			var got []addresses
			for _, f := range families.plan() {
				got = append(got, addresses{
					f.switchAddr().String(), f.controlPlaneAddr().String(), f.nodeAddr(1).String(),
					f.podCIDR(1).String(), f.apiService().String(), f.dnsService().String(),
				})
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing may be in two places, up to the largest cluster that Config allows.
func TestPlanHasNoOverlap(t *testing.T) {
	for _, f := range DualStack.plan() {
		owners := map[netip.Addr]string{f.switchAddr(): "switch", f.controlPlaneAddr(): "control plane"}
		var podCIDRs []netip.Prefix
		for node := 1; node <= maxNodes; node++ {
			address := f.nodeAddr(node)
			if owner, taken := owners[address]; taken || !f.nodes.Contains(address) {
				t.Errorf("node %d has address %s: network %s, also of %q", node, address, f.nodes, owner)
			}
			owners[address] = fmt.Sprint("node ", node)
			pods := f.podCIDR(node)
			if !f.pods.Contains(pods.Addr()) || pods != pods.Masked() {
				t.Errorf("node %d has pod network %s, not one of %s", node, pods, f.pods)
			}
			for _, other := range podCIDRs {
				if pods.Overlaps(other) {
					t.Errorf("node %d has pod network %s, which overlaps %s", node, pods, other)
				}
			}
			podCIDRs = append(podCIDRs, pods)
		}
		for _, pair := range [][2]netip.Prefix{{f.nodes, f.pods}, {f.nodes, f.services}, {f.pods, f.services}} {
			if pair[0].Overlaps(pair[1]) {
				t.Errorf("networks %s and %s overlap", pair[0], pair[1])
			}
		}
	}
}
