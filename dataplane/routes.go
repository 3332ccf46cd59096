// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane/dns/redirect"
	"github.com/tierwall/tierwall/ruleset"
)

// routes is what is known of the policy routes that deliver packets to the DNS
// proxy. They are there while some pod needs the proxy, and looked after with
// every change of pods.
type routes struct {
	// settled is true once they are known to be there, or not, as there says.
	settled, there bool
	// failure is the text of the last error.
	failure string
}

// proxyFor returns where to bring DNS queries to: nowhere if no pod needs that,
// or if the routes to the proxy cannot be had. Then no addresses of domain names
// are learned, and everything else is enforced.
func (d *Dataplane) proxyFor(rs *ruleset.Ruleset) []netip.AddrPort {
	if len(d.config.DNSProxy) == 0 || !needsDNS(rs) {
		return nil
	}
	if err := d.installRoutes(); err != nil {
		if d.routes.failure != err.Error() {
			d.config.Logger.Error(err, "Pods cannot reach domain names: their DNS queries cannot be brought to the proxy")
		}
		d.routes = routes{failure: err.Error()}
		return nil
	}
	d.routes = routes{settled: true, there: true}
	return d.config.DNSProxy
}

func (d *Dataplane) installRoutes() error {
	if !d.routes.there {
		if err := checkRedirect(d.config); err != nil {
			return err
		}
	}
	var families []int
	for _, a := range d.config.DNSProxy {
		families = append(families, [2]int{unix.AF_INET, unix.AF_INET6}[familyIndex(a.Addr())])
	}
	return inNetns(d.config.Netns, func() error { return redirect.InstallRoutes(families...) })
}

// dropRoutes removes the routes if the kernel's table does not need them, those
// that an agent before this one left included.
func (d *Dataplane) dropRoutes() {
	_, needed := d.mirror.pieces[pieceDNS]
	if needed || (d.routes.settled && !d.routes.there) {
		return
	}
	if err := inNetns(d.config.Netns, redirect.RemoveRoutes); err != nil {
		d.config.Logger.Error(err, "Policy routes of the DNS proxy stay, though nothing uses them")
		return
	}
	d.routes = routes{settled: true, failure: d.routes.failure}
}
