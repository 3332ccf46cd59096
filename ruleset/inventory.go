// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"
)

// Pod is what policy needs to know of a pod that has addresses of its own: one
// that is neither host-networked nor ended.
type Pod struct {
	Namespace, Name string
	Labels          labels.Set
	// Node is the name of the node it runs on.
	Node string
	// Addresses are the pod's own, at most one per family.
	Addresses []netip.Addr
	// Ports are the named container ports.
	Ports []NamedPort
	// Created is the creation time in seconds since 1970. Where two pods claim
	// an address, the younger one has it; of two that are equally old the first by
	// namespace and name.
	Created int64
}

// NamedPort is a named container port of a pod.
type NamedPort struct {
	Name     string
	Protocol Protocol
	Port     uint16
}

// Node is what policy needs to know of a node.
type Node struct {
	Name   string
	Labels labels.Set
	// Addresses are those the node uses towards pods: its status addresses and
	// the first addresses of its pod CIDRs, which tunnels and gateways have.
	Addresses []netip.Addr
}
