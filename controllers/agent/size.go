// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"

	"github.com/tierwall/tierwall/ruleset"
)

// Sizes of the ruleset from which on the agent says that it is large. None of
// them is a limit; docs/performance.md says what they cost.
const (
	// largeClasses: peers that cut across each other can make as many classes
	// as there are addresses.
	largeClasses = 50_000
	// largeRows: every stack of policies has a row for each class.
	largeRows = 1_000_000
	// largeNetworks are ranges of addresses: CIDRs that overlap are cut up.
	largeNetworks = 100_000
)

// largePart is a part of the ruleset that is large.
type largePart struct {
	name           string
	large          int
	reason, remedy string
}

// largeParts returns the parts of the ruleset that are large.
func largeParts(s ruleset.Stats) []largePart {
	var parts []largePart
	for _, part := range []struct {
		largePart
		size int
	}{
		{largePart{"classes", largeClasses, ReasonManyClasses, "Policies tell many addresses apart: select peers by fewer different labels and networks."}, s.Classes},
		{largePart{"rows", largeRows, ReasonManyRows, "Many sets of policies apply to this node's pods: have them differ less in what selects them, or spread them over more nodes."}, s.Rows},
		{largePart{"networks", largeNetworks, ReasonManyNetworks, "Peers' CIDRs are many, or overlap: use fewer and wider ones."}, s.Networks},
	} {
		if part.size > part.large {
			parts = append(parts, part.largePart)
		}
	}
	return parts
}

// oversize says, for the log, which parts of the ruleset are large; empty if
// none is.
func oversize(s ruleset.Stats) string {
	var parts []string
	for _, p := range largeParts(s) {
		parts = append(parts, fmt.Sprintf("more than %d %s", p.large, p.name))
	}
	return strings.Join(parts, ", ")
}

// overgrown returns the parts of the ruleset that are large as bounds that are
// hit.
func overgrown(s ruleset.Stats) []excess {
	var hits []excess
	for _, p := range largeParts(s) {
		hits = append(hits, excess{p.reason, fmt.Sprintf(
			"The ruleset of this node has, or had, more than %d %s. All of it is enforced, but costs memory and time. %s", p.large, p.name, p.remedy,
		)})
	}
	return hits
}
