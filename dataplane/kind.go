// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
)

// setKind is the type of a set: what its keys and data are and how it is looked
// up.
type setKind int

const (
	// Hash maps of single addresses to class numbers.
	kindEndpoints4 setKind = iota
	kindEndpoints6
	// Interval maps of addresses to class numbers.
	kindNetworks4
	kindNetworks6
	// Hash maps of local pods' addresses to the number of their chain.
	kindDispatch4
	kindDispatch6
	// Hash map of numbers to local pods' chains.
	kindPodChains
	// Sets of addresses of local pods.
	kindPods4
	kindPods6
	// Sets of (address . the same address) of local pods.
	kindSelf4
	kindSelf6
	// Hash map of class numbers to row numbers.
	kindRows
	// Hash map of row numbers to chains.
	kindRowRest
	// Hash map of (row number . protocol . port) to chains.
	kindRowPorts
	// Interval map of (row number . protocol . port range) to chains.
	kindRowRanges
	// Hash map of (protocol . port) to chains.
	kindPorts
	// Interval map of (protocol . port range) to chains.
	kindRanges
	// Set of ICMPv6 types.
	kindICMPv6
)

// isVerdictMap reports whether the elements' data are verdicts.
func (k setKind) isVerdictMap() bool {
	switch k {
	case kindPodChains, kindRowRest, kindRowPorts, kindRowRanges, kindPorts, kindRanges:
		return true
	default:
		return false
	}
}

// isMap reports whether the elements have data.
func (k setKind) isMap() bool {
	switch k {
	case kindPods4, kindPods6, kindSelf4, kindSelf6, kindICMPv6:
		return false
	default:
		return true
	}
}

// isInterval reports whether keys are ranges.
func (k setKind) isInterval() bool {
	return k == kindNetworks4 || k == kindNetworks6 || k.isRanges()
}

// isRanges reports whether keys are concatenations with a range in them.
func (k setKind) isRanges() bool { return k == kindRanges || k == kindRowRanges }

// keyType returns the type of the keys.
func (k setKind) keyType() nftables.SetDatatype {
	switch k {
	case kindEndpoints4, kindNetworks4, kindDispatch4, kindPods4:
		return nftables.TypeIPAddr
	case kindEndpoints6, kindNetworks6, kindDispatch6, kindPods6:
		return nftables.TypeIP6Addr
	case kindSelf4:
		return nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr)
	case kindSelf6:
		return nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeIP6Addr)
	case kindRows, kindRowRest, kindPodChains:
		return nftables.TypeClassID
	case kindRowPorts, kindRowRanges:
		return nftables.MustConcatSetType(nftables.TypeClassID, nftables.TypeInetProto, nftables.TypeInetService)
	case kindICMPv6:
		return nftables.TypeICMP6Type
	default:
		return nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
	}
}

// definition returns the set as google/nftables describes it, for any number of
// elements.
func (k setKind) definition(table *nftables.Table, name string) *nftables.Set {
	s := &nftables.Set{
		Table:        table,
		Name:         name,
		KeyType:      k.keyType(),
		KeyByteOrder: binaryutil.BigEndian,
		Interval:     k.isInterval(),
		IsMap:        k.isMap(),
		// The kernel wants the flag for ranges of concatenations only.
		Concatenation: k.isRanges(),
	}
	if k == kindRows || k == kindRowRest || k == kindPodChains {
		s.KeyByteOrder = binaryutil.NativeEndian
	}
	switch {
	case k.isVerdictMap():
		s.DataType = nftables.TypeVerdict
	case k.isMap():
		s.DataType = nftables.TypeClassID
	}
	return s
}
