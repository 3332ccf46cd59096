// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/ruleset"
)

// domainIndex has these patterns, with themselves as values.
func domainIndex(patterns ...string) *ruleset.DomainIndex[string] {
	x := ruleset.NewDomainIndex[string]()
	for _, p := range patterns {
		x.Set(p, p)
	}
	return x
}

func TestDomainIndexMatch(t *testing.T) {
	x := domainIndex("example.com", "*.example.com", "*.eu.example.com", "www.eu.example.com", "*.com", "example.org", "localhost")
	for name, want := range map[string][]string{
		"example.com":           {"example.com", "*.com"},
		"www.example.com":       {"*.example.com", "*.com"},
		"www.eu.example.com":    {"www.eu.example.com", "*.eu.example.com", "*.example.com", "*.com"},
		"a.b.example.com":       {"*.example.com", "*.com"},
		"notexample.com":        {"*.com"},
		"example.org":           {"example.org"},
		"www.example.org":       nil,
		"example.com.evil.test": nil,
		"com":                   nil,
		"localhost":             {"localhost"},
		"":                      nil,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, slices.Collect(x.Match(name))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDomainIndexForgetsWhatIsDeleted(t *testing.T) {
	x := domainIndex("example.com", "*.example.com")
	x.Delete("*.example.com")
	x.Delete("*.example.org")
	if diff := cmp.Diff([]string{"example.com"}, slices.Collect(x.Patterns())); diff != "" {
		t.Error(diff)
	}
	if got := slices.Collect(x.Match("www.example.com")); got != nil {
		t.Errorf("www.example.com still matches %v", got)
	}
	x.Set("example.com", "another value")
	if diff := cmp.Diff([]string{"another value"}, slices.Collect(x.Match("example.com"))); diff != "" {
		t.Error(diff)
	}
}

func TestDomainIndexPatternsAreThoseThatWereSet(t *testing.T) {
	patterns := []string{"*.example.com", "*.org", "example.com", "localhost"}
	if diff := cmp.Diff(patterns, slices.Sorted(domainIndex(patterns...).Patterns())); diff != "" {
		t.Error(diff)
	}
}

// The DNS proxy asks for every name of every answer.
func TestDomainIndexMatchDoesNotAllocate(t *testing.T) {
	x := domainIndex("*.example.com", "*.com")
	matches := 0
	allocations := testing.AllocsPerRun(100, func() {
		for range x.Match("www.eu.example.com") {
			matches++
		}
	})
	if allocations != 0 || matches == 0 {
		t.Errorf("%v allocations a call, %d matches", allocations, matches)
	}
}
