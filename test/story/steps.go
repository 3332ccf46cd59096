// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed expected
var expected embed.FS

// Step is one chapter: something is applied, and then the matrix is as expected.
type Step struct {
	// Name is a sample's file name without ".yaml".
	Name string
	// Prepare are the arguments of kubectl commands to give before the sample is
	// applied.
	Prepare [][]string
	// Policies are those that decide about every cell that changes, as the names of
	// the kernel's decision chains spell them.
	Policies []string
	// Expected was written by hand, from what the sample says. It owes nothing to
	// Tierwall's own code.
	Expected *Matrix
}

// Before is what the matrix is without any policy.
func Before() (*Matrix, error) { return readExpected("00-before") }

// Steps are the samples, in their order.
func Steps() ([]Step, error) {
	steps := []Step{
		{Name: "10-default-deny", Policies: []string{"tcnp/default-deny"}},
		{Name: "20-developers", Policies: []string{"netpol/shop/web", "netpol/pci/open-to-all"}},
		{Name: "30-deny-dev-to-pci", Policies: []string{"tcnp/deny-dev-to-pci"}},
		{Name: "40-pass-to-developers", Policies: []string{"tcnp/development-to-production"}},
		{
			Name:     "50-api-server",
			Prepare:  [][]string{{"label", "node", "node1", "node-role.kubernetes.io/infra="}},
			Policies: []string{"tcnp/api-server-from-infra-only"},
		},
		{Name: "60-node-ports", Policies: []string{"tcnp/node-ports"}},
		{Name: "70-cloud-metadata", Policies: []string{"tcnp/cloud-metadata"}},
		{Name: "80-legacy-port-range", Policies: []string{"tcnp/legacy-sessions"}},
	}
	for i := range steps {
		var err error
		if steps[i].Expected, err = readExpected(steps[i].Name); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

// Sample is the file that the step applies, relative to the repository.
func (s Step) Sample() string { return samplePath(s.Name) }

// DecidedBy tells whether a count is that of a rule of the step's policies.
func (s Step) DecidedBy(c Count) bool {
	return slices.ContainsFunc(s.Policies, func(policy string) bool {
		return strings.Contains(c.Name, "/"+policy+"/")
	})
}

func samplePath(name string) string { return "config/samples/" + name + ".yaml" }

func readExpected(name string) (*Matrix, error) {
	text, err := expected.ReadFile("expected/" + name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("read expectation: %w", err)
	}
	m, err := ParseMatrix(string(text))
	if err != nil {
		return nil, fmt.Errorf("expectation %s: %w", name, err)
	}
	return m, nil
}
