// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package problems puts what a policy is not enforced for into words.
package problems

import (
	"fmt"
	"strings"

	"github.com/tierwall/tierwall/ruleset"
)

// maxShown bounds how many problems a message names.
const maxShown = 8

// maxNote is how many bytes the API server allows in an event's note.
const maxNote = 1024

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
