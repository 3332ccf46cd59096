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

// oversize says, for people, which parts of the ruleset are large; empty if none
// is.
func oversize(s ruleset.Stats) string {
	var parts []string
	for _, part := range []struct {
		name        string
		size, large int
	}{{"classes", s.Classes, largeClasses}, {"rows", s.Rows, largeRows}, {"networks", s.Networks, largeNetworks}} {
		if part.size > part.large {
			parts = append(parts, fmt.Sprintf("more than %d %s", part.large, part.name))
		}
	}
	return strings.Join(parts, ", ")
}
