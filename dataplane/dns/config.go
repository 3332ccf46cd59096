// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of Config.
const (
	// DefaultHoldTimeout is how long an answer waits for the kernel.
	DefaultHoldTimeout = 2 * time.Second
	// DefaultMinTTL keeps an address for clients that use it for longer than
	// its record says, which most do a little.
	DefaultMinTTL = time.Minute
	// DefaultMaxTTL closes an address within the hour after the last answer
	// that had it.
	DefaultMaxTTL = time.Hour
)

// Domain is a name with all addresses that are learned for it, none if it is to
// be forgotten. The name is in lower case and without trailing dot.
type Domain struct {
	Name      string
	Addresses []netip.Addr
}

// policy is what the proxy has to know of the rules in force. Its methods are
// called concurrently.
type policy interface {
	// MatchDomain reports whether some rule in use names the domain, which is
	// in lower case and without trailing dot.
	MatchDomain(name string) bool
	// TrustServer reports whether what the DNS server answers may be learned.
	// Answers of other servers are passed on and open nothing.
	TrustServer(server netip.Addr) bool
	// EnforceDomains returns nil once the kernel enforces exactly these
	// addresses for these names. It tries until ctx ends; calls do not overlap.
	EnforceDomains(ctx context.Context, domains []Domain) error
}

// Limits bound what pods can make the proxy keep.
type Limits struct {
	// Names with addresses learned; default 50,000.
	Names int
	// AddressesPerName; default 1,000.
	AddressesPerName int
	// Addresses of all names together; default 100,000.
	Addresses int
	// Queries in flight, those on idle TCP connections included; default 4,096.
	Queries int
	// QueriesPerPod in flight; default 512.
	QueriesPerPod int
}

// Config says how the proxy works.
type Config struct {
	// Policy is asked what to learn, and enforces it. Required.
	Policy policy
	// StateFile is the path of the journal of what was learned. Required.
	StateFile string
	// HoldTimeout bounds how long an answer waits for the kernel.
	HoldTimeout time.Duration
	// MinTTL and MaxTTL bound how long an address is kept after an answer that
	// had it. A pod is never told a TTL over MaxTTL.
	MinTTL, MaxTTL time.Duration
	// Limits that are 0 have their defaults.
	Limits Limits
	// SweepInterval is how often addresses that have had their time are looked
	// for; default 5 s.
	SweepInterval time.Duration
	// Registry takes the proxy's metrics. Required.
	Registry prometheus.Registerer
	// Logger gets what a person should know. Required.
	Logger logr.Logger
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&c.HoldTimeout, DefaultHoldTimeout}, {&c.MinTTL, DefaultMinTTL},
		{&c.MaxTTL, DefaultMaxTTL}, {&c.SweepInterval, 5 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	l := &c.Limits
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&l.Names, 50_000}, {&l.AddressesPerName, 1_000}, {&l.Addresses, 100_000}, {&l.Queries, 4_096}, {&l.QueriesPerPod, 512},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
}

func (c *Config) validate() error {
	switch {
	case c.Policy == nil || c.Registry == nil:
		return errors.New("the DNS proxy needs a policy and a registry")
	case c.StateFile == "":
		return errors.New("the DNS proxy's state file has no name: set it to a path in a directory that survives restarts")
	case c.HoldTimeout < 0 || c.MinTTL < 0:
		return fmt.Errorf("the DNS proxy's hold time-out %s or least TTL %s is negative: set both to 0s or more", c.HoldTimeout, c.MinTTL)
	case c.MaxTTL < c.MinTTL:
		return fmt.Errorf("the DNS proxy's greatest TTL %s is less than its least TTL %s: raise the former or lower the latter", c.MaxTTL, c.MinTTL)
	}
	return nil
}
