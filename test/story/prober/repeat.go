// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Tally counts the connections to one target over time.
type Tally struct {
	// Target is the target as it was given.
	Target string `json:"target"`
	// Reached and Failed count connections.
	Reached int `json:"reached"`
	Failed  int `json:"failed"`
	// LastError is the error of the last connection that failed.
	LastError string `json:"lastError,omitempty"`
}

// Repeat connects to all targets again and again until the context ends, a new
// connection to each target every interval, and tells what came of them. The
// last ones are waited for.
func Repeat(ctx context.Context, interval, timeout time.Duration, targets []string) []Tally {
	tallies := make([]Tally, len(targets))
	for i, target := range targets {
		tallies[i].Target = target
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for ctx.Err() == nil {
		for i, r := range Connect(context.WithoutCancel(ctx), timeout, targets) {
			tallies[i].add(r)
		}
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
	return tallies
}

func (t *Tally) add(r Result) {
	if r.Reached {
		t.Reached++
		return
	}
	t.Failed++
	t.LastError = r.Error
}

// Conversation is what came of one long connection.
type Conversation struct {
	// Connections is how many TCP connections it took: more than one when the
	// first one broke.
	Connections int `json:"connections"`
	// Answers counts the requests that were answered.
	Answers int `json:"answers"`
	// LastAnswer is when the last one arrived.
	LastAnswer time.Time `json:"lastAnswer"`
	// Error is why it ended early.
	Error string `json:"error,omitempty"`
}

// Converse sends HTTP requests on one connection to a tcp:// target's address,
// one every interval, until the context ends or a request fails. The last one is
// waited for.
func Converse(ctx context.Context, interval, timeout time.Duration, address string) Conversation {
	var c Conversation
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c.Connections++
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: timeout}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		if err := ask(context.WithoutCancel(ctx), client, address); err != nil {
			c.Error = err.Error()
			return c
		}
		c.Answers, c.LastAnswer = c.Answers+1, time.Now()
		select {
		case <-ctx.Done():
			return c
		case <-ticks.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // The body was read to its end.
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
