// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr"
)

// batch is names that go to the kernel together.
type batch struct {
	names map[string]struct{}
	// done is closed once the kernel has them.
	done chan struct{}
}

func newBatch() *batch { return &batch{names: map[string]struct{}{}, done: make(chan struct{})} }

// committer brings what the cache holds to the kernel, one batch after the
// other. Whoever comes while one is under way shares the next.
type committer struct {
	cache   *cache
	journal *journal
	policy  policy
	log     logr.Logger

	mu   sync.Mutex
	next *batch
	// wake has a value while next has names.
	wake chan struct{}
}

func newCommitter(c *cache, j *journal, cfg Config) *committer {
	return &committer{cache: c, journal: j, policy: cfg.Policy, log: cfg.Logger, next: newBatch(), wake: make(chan struct{}, 1)}
}

// submit has the names committed; the channel is closed once they are.
func (c *committer) submit(names []string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		c.next.names[name] = struct{}{}
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return c.next.done
}

func (c *committer) take() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.next
	c.next = newBatch()
	return b
}

// run commits until ctx ends.
func (c *committer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			c.commit(ctx, c.take())
		}
	}
}

// commit writes down what is new, has the kernel take a batch, and lets go those
// who wait for it. What is in the kernel must be in the journal, or a restart
// would close it; a journal that cannot be written costs that, but not more.
func (c *committer) commit(ctx context.Context, b *batch) {
	domains, leases := c.cache.snapshot(slices.Sorted(maps.Keys(b.names)))
	c.write()
	if len(domains) > 0 {
		if err := c.policy.EnforceDomains(ctx, domains); err != nil {
			if ctx.Err() == nil {
				c.log.Error(err, "Learned addresses cannot be enforced; the answers that had them are dropped")
			}
			return
		}
	}
	c.cache.confirm(leases)
	close(b.done)
}

// write appends to the journal what it does not have.
func (c *committer) write() {
	err := c.journal.append(c.cache.unwritten())
	if _, addresses := c.cache.size(); err == nil && c.journal.tooLong(addresses) {
		err = c.journal.rewrite(c.cache.entries())
	}
	if err != nil {
		c.log.Error(err, "Learned domain names will not survive a restart of the agent")
	}
}
