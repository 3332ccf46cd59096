// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The bounds of health.
const (
	// maxBusy is how long the loop may work without taking another event
	// before the agent counts as stuck.
	maxBusy = 2 * time.Minute
	// maxFailing is how long applying may fail before the agent counts as not
	// ready.
	maxFailing = 30 * time.Second
)

// health answers the probes. The loop writes it, the probes read it.
type health struct {
	mu sync.Mutex
	// busySince is when the loop took up what it is doing; zero while it waits.
	busySince time.Time
	// applied is true after the first success.
	applied bool
	// err is why applying has failed since failingSince; nil if it has not.
	err          error
	failingSince time.Time
}

func (h *health) busy() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busySince = time.Now()
}

func (h *health) idle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busySince = time.Time{}
}

func (h *health) succeeded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied, h.err = true, nil
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.failingSince = time.Now()
	}
	h.err = err
}

// live fails if the loop is stuck. It is a healthz.Checker.
func (h *health) live(*http.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if busy := h.busySince; !busy.IsZero() && time.Since(busy) > maxBusy {
		return fmt.Errorf("the loop has been at the same work since %s", busy.Format(time.RFC3339))
	}
	return nil
}

// ready fails until the ruleset was applied for the first time, and when
// applying has failed for long. It is a healthz.Checker.
func (h *health) ready(*http.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil && (!h.applied || time.Since(h.failingSince) > maxFailing) {
		return fmt.Errorf("cannot apply the ruleset since %s: %w", h.failingSince.Format(time.RFC3339), h.err)
	}
	if !h.applied {
		return errors.New("not yet in sync with the API server")
	}
	return nil
}
