// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"

	"github.com/tierwall/tierwall/ruleset"
)

// endpointsMap names the map that an endpoint's address is in.
func endpointsMap(a netip.Addr) string {
	if a.Is4() {
		return setEndpoints4
	}
	return setEndpoints6
}

// networksMap names the map that a range is in.
func networksMap(n ruleset.NetworkRange) string {
	if n.First.Is4() {
		return setNetworks4
	}
	return setNetworks6
}

// renderEndpoint returns the element of an endpoint.
func renderEndpoint(a netip.Addr, class ruleset.ClassID) (element, error) {
	n, err := numberOf(uint32(class))
	return element{elementKey: elementKey{key: string(a.AsSlice())}, value: string(n[:])}, err
}

// renderRow returns the element of a class in a stack's rows map.
func renderRow(class ruleset.ClassID, row ruleset.RowID) (element, error) {
	key, err := numberOf(uint32(class))
	if err != nil {
		return element{}, err
	}
	value, err := numberOf(uint32(row))
	return element{elementKey: elementKey{key: string(key[:])}, value: string(value[:])}, err
}

// renderNetwork returns the elements of a range: where it begins and, unless it
// reaches to the last address, where it ends.
func renderNetwork(n ruleset.NetworkRange) ([]element, error) {
	class, err := numberOf(uint32(n.Class))
	if err != nil {
		return nil, err
	}
	elements := []element{{elementKey: elementKey{key: string(n.First.AsSlice())}, value: string(class[:])}}
	if after := n.Last.Next(); after.IsValid() {
		elements = append(elements, element{elementKey: elementKey{key: string(after.AsSlice()), intervalEnd: true}})
	}
	return elements, nil
}
