// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// LoadConfig says what pods ask for.
type LoadConfig struct {
	Pods []*Pod
	// Workers of each pod; each has a socket and one query in flight.
	Workers int
	// Names is how many queries are made, of all pods together.
	Names int
	// Server is whom to ask.
	Server string
	// Name returns the name of the query with a number from 0.
	Name func(n int) string
}

// LoadResult is what came of it.
type LoadResult struct {
	Done, Failed int
	// Err is the first failure's.
	Err error
	// Took is the time of all, Latencies are those of the queries, sorted.
	Took      time.Duration
	Latencies []time.Duration
}

// Quantile returns the latency that a part of the queries, such as 0.99, is not
// above.
func (r *LoadResult) Quantile(part float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(len(r.Latencies)-1, int(part*float64(len(r.Latencies))))]
}

// Queries asks for each name and waits for the answer.
func Queries(cfg LoadConfig) LoadResult {
	return cfg.run(func(*dns.Msg) error { return nil })
}

// FirstConnections asks for each name and connects at once to the addresses in
// the answer. A connection that does not work is a failure.
func FirstConnections(cfg LoadConfig) LoadResult {
	return cfg.run(func(answer *dns.Msg) error {
		addresses := Addresses(answer)
		if len(addresses) == 0 {
			return fmt.Errorf("no address for %s: %s", answer.Question[0].Name, dns.RcodeToString[answer.Rcode])
		}
		for _, a := range addresses {
			// This is the pod's thread already.
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(a.String(), "443"), 5*time.Second)
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
		return nil
	})
}

// run has the workers of all pods take one number after the other.
func (cfg LoadConfig) run(then func(*dns.Msg) error) LoadResult {
	var next atomic.Int64
	var mu sync.Mutex
	var workers sync.WaitGroup
	var result LoadResult
	start := time.Now()
	for _, p := range cfg.Pods {
		for range cfg.Workers {
			workers.Go(func() {
				w := worker{config: cfg, next: &next, then: then}
				err := p.Do(w.run)
				mu.Lock()
				defer mu.Unlock()
				result.add(w.result, err)
			})
		}
	}
	workers.Wait()
	result.Took = time.Since(start)
	slices.Sort(result.Latencies)
	return result
}

func (r *LoadResult) add(other LoadResult, err error) {
	r.Done += other.Done
	r.Failed += other.Failed
	r.Latencies = append(r.Latencies, other.Latencies...)
	if r.Err == nil {
		r.Err = errors.Join(other.Err, err)
	}
}

type worker struct {
	config LoadConfig
	next   *atomic.Int64
	then   func(*dns.Msg) error
	result LoadResult
}

func (w *worker) run() error {
	conn, err := dns.Dial("udp", net.JoinHostPort(w.config.Server, "53"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for n := int(w.next.Add(1) - 1); n < w.config.Names; n = int(w.next.Add(1) - 1) {
		err := w.ask(conn, w.config.Name(n))
		w.result.Done++
		if err != nil {
			w.result.Failed++
			w.result.Err = err
		}
	}
	return nil
}

func (w *worker) ask(conn *dns.Conn, name string) error {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	start := time.Now()
	c := dns.Client{Timeout: 5 * time.Second}
	answer, _, err := c.ExchangeWithConn(m, conn)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	w.result.Latencies = append(w.result.Latencies, time.Since(start))
	return w.then(answer)
}
