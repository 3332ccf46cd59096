// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/tierwall/tierwall/cmd/internal/cli"
)

func TestAgentNeedsTheNameOfItsNode(t *testing.T) {
	t.Setenv("NODE_NAME", "")
	var stderr strings.Builder
	if status := cli.Execute(t.Context(), program(), nil, &stderr); status != 1 {
		t.Errorf("status %d", status)
	}
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "--node-name") {
		t.Errorf("%q is not one line with the remedy", got)
	}
}
