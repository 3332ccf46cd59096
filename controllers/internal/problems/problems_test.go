// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package problems

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tierwall/tierwall/ruleset"
)

func TestMessage(t *testing.T) {
	invalid := ruleset.Problem{Field: "spec.ingress[1].from[0]", Message: "is of no known kind"}
	domains := ruleset.Problem{Field: "spec.egress[0].to[0].domainNames", Message: "is supported in Accept rules only"}
	for name, tt := range map[string]struct {
		problems []ruleset.Problem
		message  string
	}{
		"one": {[]ruleset.Problem{invalid}, "spec.ingress[1].from[0]: is of no known kind"},
		"two": {
			[]ruleset.Problem{domains, invalid},
			"spec.egress[0].to[0].domainNames: is supported in Accept rules only; spec.ingress[1].from[0]: is of no known kind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Message(tt.problems); got != tt.message {
				t.Errorf("message %q, want %q", got, tt.message)
			}
		})
	}
}

func TestMessageIsBounded(t *testing.T) {
	problems := make([]ruleset.Problem, maxShown+5)
	if got := Message(problems); !strings.HasSuffix(got, "; and 5 more") {
		t.Errorf("message %q does not tell how many are left out", got)
	}
}

func TestNoteFitsIntoAnEvent(t *testing.T) {
	for name, message := range map[string]string{
		"short":      "a few words",
		"limit":      strings.Repeat("x", maxNote),
		"long":       strings.Repeat("x", maxNote+1),
		"long runes": strings.Repeat("ä", maxNote),
	} {
		t.Run(name, func(t *testing.T) {
			got := Note(message)
			if len(got) > maxNote || !utf8.ValidString(got) {
				t.Errorf("note of %d bytes, valid UTF-8: %v", len(got), utf8.ValidString(got))
			}
			if len(message) <= maxNote && got != message {
				t.Errorf("a message that fits became %q", got)
			}
		})
	}
}
