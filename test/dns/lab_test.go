// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/dns/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// fixture is a lab with DNS servers, an internet, and a proxy.
type fixture struct {
	*lab.Lab
	t      *testing.T
	zone   *zone
	config lab.ProxyConfig
	proxy  *lab.Proxy
}

// newFixture starts all. Rules have the names below example.com, and exact.test.
func newFixture(t *testing.T, pods int, configure func(*lab.ProxyConfig)) *fixture {
	t.Helper()
	netnstest.Require(t)
	f := &fixture{t: t, zone: &zone{ttl: 300}, config: lab.ProxyConfig{
		Dir: t.TempDir(), Patterns: []string{"*.example.com", "n9.exact.test", "*.stuck.example"},
	}}
	if configure != nil {
		configure(&f.config)
	}
	var err error
	if f.Lab, err = lab.New(pods); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.check(f.Close()) })
	f.serve()
	f.start()
	t.Cleanup(func() {
		if f.proxy != nil {
			f.check(f.proxy.Stop())
		}
	})
	return f
}

// serve starts the servers: the cluster's at both its ports, the outside's and
// the host's.
func (f *fixture) serve() {
	f.t.Helper()
	stop, err := f.ServeInternet()
	f.check(err)
	f.t.Cleanup(stop)
	for address, namespace := range map[string]*netnstest.Namespace{
		":53": f.DNS.Namespace, ":5353": f.DNS.Namespace,
		lab.OutsideDNS + ":53": f.Outside, "[" + lab.OutsideDNS6 + "]:53": f.Outside, lab.HostDNS + ":53": f.Node,
	} {
		stop, err := lab.ServeDNS(namespace, address, f.zone)
		f.check(err)
		f.t.Cleanup(stop)
	}
}

func (f *fixture) start() {
	f.t.Helper()
	var err error
	f.proxy, err = f.StartProxy(f.config)
	f.check(err)
}

func (f *fixture) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// expectOpen fails unless the pod can connect to all the addresses.
func (f *fixture) expectOpen(p *lab.Pod, addresses ...netip.Addr) {
	f.t.Helper()
	for _, a := range addresses {
		if err := p.Connect(a); err != nil {
			f.t.Errorf("connect to %s: %v; want it open", a, err)
		}
	}
}

// expectRefused fails unless the pod's connections to the addresses are refused.
func (f *fixture) expectRefused(p *lab.Pod, addresses ...netip.Addr) {
	f.t.Helper()
	for _, a := range addresses {
		if err := p.Connect(a); !refused(err) {
			f.t.Errorf("connect to %s: %v; want it refused", a, err)
		}
	}
}

func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

// eventually waits until ok, for a bounded time.
func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	for range 200 {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.t.Fatalf("never: %s", what)
}

// expectCounter fails unless a counter of the proxy comes to at least a value.
func (f *fixture) expectCounter(least float64, name string, labels ...string) {
	f.t.Helper()
	var value float64
	f.eventually(name, func() bool {
		var err error
		value, err = f.proxy.Counter(name, labels...)
		f.check(err)
		return value >= least
	})
}

// question returns a message that asks for a name.
func question(name string, qtype uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
}
