// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// kind names what an object is, as the API server does in each.
type kind struct {
	apiVersion, kind string
}

// field is one that is kept.
type field struct {
	number protowire.Number
	// name is that of the field in the kind's generated.proto; a test compares
	// it with the number.
	name string
	// within are the fields that are kept of this one, a message; nil for all.
	within fields
}

// fields are those that are kept of a message.
type fields []field

// kinds returns what is kept of an object: what package ruleset reads (PodFrom,
// NodeFrom, FromNetworkPolicy) and a reflector needs.
func kinds() map[kind]fields {
	metadata := field{1, "metadata", fields{
		{1, "name", nil}, {3, "namespace", nil}, {6, "resourceVersion", nil}, {8, "creationTimestamp", nil}, {11, "labels", nil},
	}}
	return map[kind]fields{
		{"v1", "Pod"}: {
			metadata,
			{2, "spec", fields{
				{2, "containers", fields{{6, "ports", nil}}},
				{10, "nodeName", nil},
				{11, "hostNetwork", nil},
				{20, "initContainers", fields{{6, "ports", nil}, {24, "restartPolicy", nil}}},
			}},
			{3, "status", fields{{1, "phase", nil}, {6, "podIP", nil}, {12, "podIPs", nil}}},
		},
		{"v1", "Node"}: {
			metadata,
			{2, "spec", fields{{1, "podCIDR", nil}, {7, "podCIDRs", nil}}},
			{3, "status", fields{{5, "addresses", nil}}},
		},
		{"v1", "Namespace"}:                       {metadata},
		{"networking.k8s.io/v1", "NetworkPolicy"}: {metadata, {2, "spec", nil}},
	}
}

// lists returns what is kept of a list of objects.
func lists(objects map[kind]fields) map[kind]fields {
	result := make(map[kind]fields, len(objects))
	for name, kept := range objects {
		result[kind{name.apiVersion, name.kind + "List"}] = fields{{1, "metadata", nil}, {2, "items", kept}}
	}
	return result
}
