// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// ResolveConfig says what names to resolve and connect to.
type ResolveConfig struct {
	// Domain is what the names n0, n1 and so on are below.
	Domain string
	// Server is the DNS server's HOST:PORT; the pod's own if empty.
	Server string
	// Network is udp or tcp; what a resolver does if empty.
	Network string
	// First is the number of the first name, Count how many there are.
	First, Count int
	// Workers is how many are resolved at the same time.
	Workers int
	// Port is the TCP port to connect to.
	Port string
	// Timeout bounds each answer and each connection.
	Timeout time.Duration
}

// Resolved counts what came of resolving names and connecting.
type Resolved struct {
	// Unresolved names had no answer; LastError says why of the last one.
	Unresolved int `json:"unresolved"`
	// Connected and Failed count connections that were tried right after the
	// answer, one to each address.
	Connected int `json:"connected"`
	Failed    int `json:"failed"`
	// LastError is the error of the last name or connection that failed.
	LastError string `json:"lastError,omitempty"`
}

// Resolve resolves names and connects at once to all addresses in the answer.
func Resolve(ctx context.Context, cfg ResolveConfig) Resolved {
	numbers := make(chan int)
	go func() {
		defer close(numbers)
		for n := cfg.First; n < cfg.First+cfg.Count && ctx.Err() == nil; n++ {
			numbers <- n
		}
	}()
	var mu sync.Mutex
	var all Resolved
	var workers sync.WaitGroup
	for range cfg.Workers {
		workers.Go(func() {
			for n := range numbers {
				one := cfg.resolve(ctx, fmt.Sprintf("n%d.%s.", n, cfg.Domain))
				mu.Lock()
				all.add(one)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return all
}

func (r *Resolved) add(other Resolved) {
	r.Unresolved += other.Unresolved
	r.Connected += other.Connected
	r.Failed += other.Failed
	if other.LastError != "" {
		r.LastError = other.LastError
	}
}

func (cfg ResolveConfig) resolve(ctx context.Context, name string) Resolved {
	resolver := net.Resolver{PreferGo: true, Dial: cfg.dial}
	lookup, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	addresses, err := resolver.LookupHost(lookup, name)
	if err != nil {
		return Resolved{Unresolved: 1, LastError: err.Error()}
	}
	var r Resolved
	for _, a := range addresses {
		connection, cancel := context.WithTimeout(ctx, cfg.Timeout)
		err := connectTCP(connection, net.JoinHostPort(a, cfg.Port))
		cancel()
		if err != nil {
			r.add(Resolved{Failed: 1, LastError: err.Error()})
			continue
		}
		r.Connected++
	}
	return r
}

func (cfg ResolveConfig) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if cfg.Network != "" {
		network = cfg.Network
	}
	if cfg.Server != "" {
		server = cfg.Server
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, server)
}
