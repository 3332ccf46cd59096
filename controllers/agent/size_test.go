// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"

	"github.com/tierwall/tierwall/ruleset"
)

func TestOversize(t *testing.T) {
	for name, test := range map[string]struct {
		stats ruleset.Stats
		want  string
	}{
		"small":    {ruleset.Stats{Classes: 10, Rows: 100, Networks: 3}, ""},
		"at bound": {ruleset.Stats{Classes: largeClasses, Rows: largeRows, Networks: largeNetworks}, ""},
		"classes":  {ruleset.Stats{Classes: largeClasses + 1}, "more than 50000 classes"},
		"all": {
			ruleset.Stats{Classes: largeClasses + 1, Rows: largeRows + 1, Networks: largeNetworks + 1},
			"more than 50000 classes, more than 1000000 rows, more than 100000 networks",
		},
	} {
		t.Run(name, func(t *testing.T) { expect(t, oversize(test.stats), test.want) })
	}
}
