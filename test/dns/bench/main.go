// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Bench measures what the DNS proxy costs, and checks that first connections
// work, in a network of its own. It needs to be root.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/test/dns/lab"
)

const (
	// queries of each measurement, and known names among them.
	queries    = 20_000
	knownNames = 200
	// connections that are made right after the answer.
	connections = 10_000
	// warmUp is how many queries go before each measurement.
	warmUp = 1_000
)

func main() {
	lab.Main()
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-dns:", err)
		os.Exit(1)
	}
}

// load is how many pods ask, with how many queries each in flight.
type load struct{ pods, workers int }

func run(out io.Writer) (err error) {
	l, err := lab.New(50)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	stopInternet, err := l.ServeInternet()
	if err != nil {
		return err
	}
	defer stopInternet()
	stopDNS, err := lab.ServeDNS(l.DNS.Namespace, ":53", dns.HandlerFunc(answer))
	if err != nil {
		return err
	}
	defer stopDNS()
	b := &bench{lab: l}
	loads := []load{{1, 1}, {1, 8}, {50, 1}}
	direct := b.measureAll(loads)
	dir, err := os.MkdirTemp("", "bench-dns")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	proxy, err := l.StartProxy(lab.ProxyConfig{
		Dir: dir, Patterns: []string{"*.example.com"}, Names: 1_000_000, Addresses: 1_000_000,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()
	proxied := b.measureAll(loads)
	if err := report(out, direct, proxied); err != nil {
		return err
	}
	return b.firstConnections(out)
}

// answer gives every name below example.com an address by its number.
func answer(w dns.ResponseWriter, q *dns.Msg) {
	var n int
	m := new(dns.Msg).SetReply(q)
	if _, err := fmt.Sscanf(q.Question[0].Name, "n%d.", &n); err == nil {
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300},
			A:   net.IP(lab.Internet(false, 1+n%100_000).AsSlice()),
		})
	}
	// The client asks again if it does not arrive.
	_ = w.WriteMsg(m)
}

type bench struct {
	lab *lab.Lab
	// asked is how many names were asked for; the next ones are new.
	asked int
}

// measurement is what came of one load.
type measurement struct {
	load
	names string
	lab.LoadResult
}

func (b *bench) measureAll(loads []load) []measurement {
	var all []measurement
	for _, l := range loads {
		b.measure(l, warmUp, b.known)
		all = append(all,
			measurement{l, "known", b.measure(l, queries, b.known)},
			measurement{l, "all new", b.measure(l, queries, b.fresh())})
	}
	return all
}

func (b *bench) measure(l load, count int, name func(int) string) lab.LoadResult {
	return lab.Queries(lab.LoadConfig{Pods: b.lab.Pods[:l.pods], Workers: l.workers, Names: count, Server: lab.ServiceDNS, Name: name})
}

func (b *bench) known(n int) string { return fmt.Sprintf("n%d.example.com", n%knownNames) }

// fresh returns names that nobody asked for before.
func (b *bench) fresh() func(int) string {
	first := knownNames + b.asked
	b.asked += queries
	return func(n int) string { return fmt.Sprintf("n%d.example.com", first+n) }
}

func report(out io.Writer, direct, proxied []measurement) error {
	fmt.Fprintln(out, "Queries over UDP through a Service, a query in flight per worker; latencies in microseconds")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "pods\tworkers\tnames\tdirect/s\tproxied/s\tdirect p50\tproxied p50\tadded p50\tdirect p99\tproxied p99\tadded p99\tfailed")
	for i, d := range direct {
		p := proxied[i]
		fmt.Fprintf(w, "%d\t%d\t%s\t%.0f\t%.0f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", d.pods, d.workers, d.names, rate(d), rate(p),
			us(d.Quantile(0.5)), us(p.Quantile(0.5)), us(p.Quantile(0.5)-d.Quantile(0.5)),
			us(d.Quantile(0.99)), us(p.Quantile(0.99)), us(p.Quantile(0.99)-d.Quantile(0.99)), d.Failed+p.Failed)
	}
	return w.Flush()
}

func rate(m measurement) float64 { return float64(m.Done) / m.Took.Seconds() }

func us(d time.Duration) int64 { return d.Microseconds() }

// firstConnections fails if one does not work.
func (b *bench) firstConnections(out io.Writer) error {
	r := lab.FirstConnections(lab.LoadConfig{Pods: b.lab.Pods, Workers: 1, Names: connections, Server: lab.ServiceDNS, Name: b.fresh()})
	fmt.Fprintf(out, "First connections right after the answer, all names new, %d pods: %d made, %d failed\n", len(b.lab.Pods), r.Done, r.Failed)
	if r.Failed != 0 || r.Done != connections {
		return fmt.Errorf("%d of %d first connections failed: %w", r.Failed, r.Done, r.Err)
	}
	return nil
}
