// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// The compiled Ruleset gives every packet the verdict that the API text gives
// it, by the same rule.
func TestRulesetIsOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mustHold(t, []*oracle.Cluster{gen.Cluster().Draw(t, "state")}, func(states []*oracle.Cluster) error {
			agent := differential.NewAgent()
			agent.Load(states[0])
			agent.Compiler.Update()
			_, err := differential.CompareVerdicts(states[0], agent.Compiler.Ruleset())
			return err
		})
	})
}
