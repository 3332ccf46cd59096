// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"reflect"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/ruleset"
)

// chain is an nftables chain as plain data.
type chain struct {
	name string
	// hook is nil for a regular chain.
	hook *nftables.ChainHook
	// priority is among the chains of the hook.
	priority nftables.ChainPriority
	rules    []rule
	// optional says that a rule does nothing before something leads to what it
	// looks up, so it may come early and go late.
	optional bool
}

// has reports whether all these rules are in the chain.
func (c chain) has(rules []rule) bool {
	return !slices.ContainsFunc(rules, func(wanted rule) bool {
		return !slices.ContainsFunc(c.rules, func(r rule) bool { return reflect.DeepEqual(r, wanted) })
	})
}

// rule is one rule of a chain.
type rule struct {
	exprs   []expr.Any
	comment string
}

// set is a named set or map with its elements.
type set struct {
	name string
	kind setKind
	// size is how many elements there may be; 0 for any number.
	size     int
	elements map[elementKey]element
}

// elementKey tells the elements of one set apart.
type elementKey struct {
	key, keyEnd string
	// intervalEnd marks the first key after an interval.
	intervalEnd bool
}

// element is one element of a set or map; at most one of value and verdict is
// set. It is comparable.
type element struct {
	elementKey
	value   string
	verdict expr.Verdict
	comment string
}

func newSet(name string, kind setKind) set {
	return set{name: name, kind: kind, elements: map[elementKey]element{}}
}

func (s set) add(elements ...element) {
	for _, e := range elements {
		s.elements[e.elementKey] = e
	}
}

// piece is what one part of a Ruleset is rendered to. Pieces are rendered,
// compared and replaced independently; every name belongs to one piece.
type piece struct {
	chains []chain
	sets   []set
	// decisions are those whose chains this piece goes to.
	decisions []ruleset.Decision
}
