// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"
)

// cidr draws a block around an address that somebody may have: of any size,
// with host bits set or not, seldom not valid.
func cidr(t *rapid.T) string {
	if chance(t, 2, "not valid") {
		return pick(t, "not a CIDR", "10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1", "", "shop", "::ffff:10.0.0.0/104", "fe80::1%eth0/64")
	}
	return block(t, pick(t, "address", allAddresses()...), 0)
}

// block draws a block around an address with at least so many bits.
func block(t *rapid.T, around netip.Addr, least int) string {
	sizes := []int{0, 8, 16, 23, 24, 25, 28, 30, 31, 32}
	if around.Is6() {
		sizes = []int{0, 8, 32, 63, 64, 65, 112, 124, 126, 127, 128}
	}
	for sizes[0] < least {
		sizes = sizes[1:]
	}
	prefix := netip.PrefixFrom(around, pick(t, "bits", sizes...))
	if chance(t, 20, "host bits") {
		return prefix.String()
	}
	return prefix.Masked().String()
}

// ipBlock draws a block and blocks in it, which may overlap, fill it, or be
// somewhere else.
func ipBlock(t *rapid.T) (string, []string) {
	outer := cidr(t)
	prefix, err := netip.ParsePrefix(outer)
	if err != nil || prefix.Addr().Is4In6() {
		return outer, nil
	}
	if prefix.Addr().Is4() && chance(t, 5, "leading zeros") {
		a := prefix.Addr().As4()
		outer = fmt.Sprintf("%03d.%d.%d.%d/%d", a[0], a[1], a[2], a[3], prefix.Bits())
	}
	return outer, listOf(t, "except", 0, pick(t, "most", 0, 2, 3), func(t *rapid.T) string {
		if chance(t, 5, "anywhere") {
			return cidr(t)
		}
		var inside []netip.Addr
		for _, a := range allAddresses() {
			if prefix.Contains(a) {
				inside = append(inside, a)
			}
		}
		return block(t, pick(t, "address", inside...), prefix.Bits())
	})
}

// portRange draws two ports; the first is not above the second.
func portRange(t *rapid.T) (first, last int32) {
	first, last = pick(t, "first", portNumbers()...), pick(t, "last", portNumbers()...)
	return min(first, last), max(first, last)
}
