// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package problems puts what a policy is not enforced for into words.
package problems

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/ruleset"
)

// maxShown bounds how many problems a message names.
const maxShown = 8

// maxNote is how many bytes the API server allows in an event's note.
const maxNote = 1024

// Reason returns the reason to give for the problems, of which there is at
// least one: what is not understood comes before what is not enforced yet.
func Reason(list []ruleset.Problem) string {
	if slices.ContainsFunc(list, func(p ruleset.Problem) bool { return !p.Unenforced }) {
		return v1alpha1.ReasonInvalidField
	}
	return v1alpha1.ReasonDomainNamesNotEnforced
}

// Message names each problem's field, up to a bound, and says what is wrong
// with it. The same problems give the same message.
func Message(list []ruleset.Problem) string {
	var parts []string
	for _, p := range list[:min(len(list), maxShown)] {
		parts = append(parts, p.Field+": "+p.Message)
	}
	if more := len(list) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// Note shortens a message to what fits into an event.
func Note(message string) string {
	if len(message) <= maxNote {
		return message
	}
	const ellipsis = "..."
	return strings.ToValidUTF8(message[:maxNote-len(ellipsis)], "") + ellipsis
}
