// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package fakecluster

import (
	"context"

	"github.com/tierwall/tierwall/dataplane/dns"
)

// NoProxy stands for a DNS proxy that nobody asks: agents without one do not
// exist.
type NoProxy struct{}

// Known returns nothing.
func (NoProxy) Known() []dns.Domain { return nil }

// Bounds returns none.
func (NoProxy) Bounds() []dns.Bound { return nil }

// Run returns nil when ctx ends.
func (NoProxy) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
