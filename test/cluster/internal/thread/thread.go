// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package thread runs functions that change what the kernel keeps for each
// thread: namespaces and control groups.
package thread

import "runtime"

// Run runs fn on a thread that ends with it, so that what fn changed cannot
// leak to other goroutines. Goroutines that fn starts run elsewhere.
func Run(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		result <- fn()
	}()
	return <-result
}
