// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"strconv"
	"strings"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/dataplane/dns/redirect"
)

// generation tells what one writing of the whole table made from what another
// did: from the second on it is in the names of all objects but the chains at
// hooks. So the whole table can be written anew while packets pass.
type generation uint32

// generationMark comes before the number of a generation at the end of a name. No
// name ends like that by itself, but if it did, only a number would be left out.
const generationMark = ".g"

// name returns what the kernel calls an object.
func (g generation) name(name string) string {
	if g == 0 || isHookChain(name) {
		return name
	}
	return name + generationMark + strconv.FormatUint(uint64(g), 10)
}

// generationOf returns the generation in a name that the kernel has.
func generationOf(name string) generation {
	at := strings.LastIndex(name, generationMark)
	if at < 0 {
		return 0
	}
	g, err := strconv.ParseUint(name[at+len(generationMark):], 10, 31)
	if err != nil {
		return 0
	}
	return generation(g)
}

func isHookChain(name string) bool {
	switch name {
	case chainForward, chainInput, chainOutput, redirect.ChainName:
		return true
	default:
		return false
	}
}

// rule returns the rule with the names that the kernel has.
func (g generation) rule(r rule) rule {
	if g == 0 {
		return r
	}
	renamed := rule{comment: r.comment, exprs: make([]expr.Any, 0, len(r.exprs))}
	for _, e := range r.exprs {
		switch e := e.(type) {
		case *expr.Lookup:
			lookup := *e
			lookup.SetName = g.name(e.SetName)
			renamed.exprs = append(renamed.exprs, &lookup)
		case *expr.Verdict:
			renamed.exprs = append(renamed.exprs, g.verdict(e))
		default:
			renamed.exprs = append(renamed.exprs, e)
		}
	}
	return renamed
}

// verdict returns the verdict with the name that the kernel has.
func (g generation) verdict(v *expr.Verdict) *expr.Verdict {
	if g == 0 || v.Chain == "" {
		return v
	}
	renamed := *v
	renamed.Chain = g.name(v.Chain)
	return &renamed
}
