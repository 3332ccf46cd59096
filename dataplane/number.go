// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import "fmt"

const (
	// reloadable is the count of numbers that read the same in both byte
	// orders.
	reloadable = 1 << 16
	// numberLimit is the count of numbers that have a register value.
	numberLimit = 1 << 24
)

// number is the register value of a class or row: the four bytes as the kernel
// stores and compares them.
//
// google/nftables tells nft no byte order for the data of a map, so a listing
// may print the bytes reversed, and a table loaded back from that listing would
// silently decide differently. Values that read the same in both
// directions (7 is the bytes 7 0 0 7) are immune.
type number [4]byte

// isReloadable reports whether a map's data, if it is a number, survives listing
// and reloading.
func isReloadable(value string) bool {
	return len(value) != len(number{}) || value[0] == value[3] && value[1] == value[2]
}

// numberOf returns the register value of n. Numbers from reloadable on have
// distinct values too, but those do not survive listing and reloading.
func numberOf(n uint32) (number, error) {
	switch {
	case n < reloadable:
		return number{byte(n), byte(n >> 8), byte(n >> 8), byte(n)}, nil
	case n < numberLimit:
		// The last byte differs from the first, so this is never one of the above.
		return number{byte(n), byte(n >> 8), byte(n >> 16), ^byte(n)}, nil
	default:
		return number{}, fmt.Errorf("number %d: a node has at most %d classes and rows of a stack; use fewer distinct peers", n, numberLimit)
	}
}

// numbering numbers the chains of local pods. A number that is free is taken
// again by a later update only: packets that found it before must not be led by it
// to another chain.
type numbering struct {
	numbers map[podStacks]uint32
	free    []uint32
	last    uint32
}

func newNumbering() *numbering { return &numbering{numbers: map[podStacks]uint32{}} }

// take returns the number of a chain, a new one if it has none.
func (n *numbering) take(of podStacks) uint32 {
	number, ok := n.numbers[of]
	if ok {
		return number
	}
	if count := len(n.free); count > 0 {
		number, n.free = n.free[count-1], n.free[:count-1]
	} else {
		n.last++
		number = n.last
	}
	n.numbers[of] = number
	return number
}

// keep frees the numbers of all other chains.
func (n *numbering) keep(wanted map[podStacks]string) {
	for of, number := range n.numbers {
		if _, ok := wanted[of]; !ok {
			delete(n.numbers, of)
			n.free = append(n.free, number)
		}
	}
}
