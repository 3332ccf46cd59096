// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func testCache(l Limits) *cache {
	cfg := Config{Limits: l, MinTTL: time.Minute, MaxTTL: time.Hour}
	cfg.setDefaults()
	return newCache(cfg)
}

func (c *cache) mustLearn(t *testing.T, now time.Time, name string, ttl time.Duration, addresses ...string) bool {
	t.Helper()
	var records []record
	for _, a := range addresses {
		records = append(records, record{ip(a), ttl})
	}
	enforced, err := c.learn(now, []string{name}, records)
	if err != nil {
		t.Fatal(err)
	}
	return enforced
}

// expectDomains compares all that a cache holds.
func (c *cache) expectDomains(t *testing.T, want ...Domain) {
	t.Helper()
	got, _ := c.snapshot(c.all())
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
	total := 0
	for _, d := range got {
		total += len(d.Addresses)
	}
	if _, addresses := c.size(); addresses != total {
		t.Errorf("counts %d addresses, has %d", addresses, total)
	}
}

func domain(name string, addresses ...string) Domain {
	d := Domain{Name: name}
	for _, a := range addresses {
		d.Addresses = append(d.Addresses, ip(a))
	}
	return d
}

func TestLeaseIsBetweenLeastAndGreatestTTL(t *testing.T) {
	for name, test := range map[string]struct{ ttl, lease time.Duration }{
		"short": {time.Second, time.Minute + leaseSlack},
		"usual": {5 * time.Minute, 5*time.Minute + leaseSlack},
		"long":  {24 * time.Hour, time.Hour + leaseSlack},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := testCache(Limits{}), time.Unix(1_000_000, 0)
			c.mustLearn(t, now, "a.test", test.ttl, "192.0.2.1")
			if names := c.expire(now.Add(test.lease-1), nil, 0); names != nil {
				t.Errorf("%v expired before %s", names, test.lease)
			}
			if names := c.expire(now.Add(test.lease), nil, 0); len(names) != 1 {
				t.Errorf("not expired after %s", test.lease)
			}
			c.expectDomains(t)
		})
	}
}

func TestEnforcedOnlyOnceConfirmed(t *testing.T) {
	c, now := testCache(Limits{}), time.Unix(1_000_000, 0)
	if c.mustLearn(t, now, "a.test", 0, "192.0.2.1") {
		t.Error("a new address counts as enforced")
	}
	_, leases := c.snapshot([]string{"a.test"})
	if c.mustLearn(t, now, "a.test", 0, "192.0.2.1") {
		t.Error("an address counts as enforced before it is")
	}
	c.confirm(leases)
	if !c.mustLearn(t, now, "a.test", 0, "192.0.2.1") {
		t.Error("a confirmed address does not count as enforced")
	}
	if c.mustLearn(t, now, "a.test", 0, "192.0.2.1", "192.0.2.2") {
		t.Error("an answer with one new address counts as enforced")
	}
	c.expire(now.Add(time.Hour), nil, 0)
	if c.mustLearn(t, now, "a.test", 0, "192.0.2.1") {
		t.Error("an address that was removed in between counts as enforced")
	}
}

func TestAddressesInUseStay(t *testing.T) {
	c, now := testCache(Limits{}), time.Unix(1_000_000, 0)
	c.mustLearn(t, now, "a.test", 0, "192.0.2.1", "192.0.2.2")
	later := now.Add(time.Hour)
	c.expire(later, map[netip.Addr]struct{}{ip("192.0.2.2"): {}}, time.Second)
	c.expectDomains(t, domain("a.test", "192.0.2.2"))
	c.expire(later.Add(time.Second), nil, time.Second)
	c.expectDomains(t)
}

func TestLimits(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, test := range map[string]struct {
		limits Limits
		name   string
		learn  []string
		bound  string
		want   []Domain
	}{
		"room left":                 {Limits{}, "b.test", []string{"192.0.2.9"}, "", []Domain{domain("a.test", "192.0.2.1", "192.0.2.2"), domain("b.test", "192.0.2.9")}},
		"names":                     {Limits{Names: 1}, "b.test", []string{"192.0.2.9"}, BoundNames, nil},
		"another address of a name": {Limits{Names: 1}, "a.test", []string{"192.0.2.9"}, "", []Domain{domain("a.test", "192.0.2.1", "192.0.2.2", "192.0.2.9")}},
		"addresses":                 {Limits{Addresses: 2}, "b.test", []string{"192.0.2.9"}, BoundAddresses, nil},
		"known addresses":           {Limits{Addresses: 2, Names: 1, AddressesPerName: 2}, "a.test", []string{"192.0.2.1", "192.0.2.2"}, "", nil},
		"too many of one name":      {Limits{AddressesPerName: 2}, "b.test", []string{"192.0.2.7", "192.0.2.8", "192.0.2.9"}, BoundAddressesPerName, nil},
		"the first to end goes":     {Limits{AddressesPerName: 2}, "a.test", []string{"192.0.2.9"}, "", []Domain{domain("a.test", "192.0.2.2", "192.0.2.9")}},
		"what is asked again stays": {Limits{AddressesPerName: 2}, "a.test", []string{"192.0.2.1", "192.0.2.9"}, "", []Domain{domain("a.test", "192.0.2.1", "192.0.2.9")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCache(test.limits)
			c.mustLearn(t, now, "a.test", 2*time.Minute, "192.0.2.1")
			c.mustLearn(t, now, "a.test", 3*time.Minute, "192.0.2.2")
			var records []record
			for _, a := range test.learn {
				records = append(records, record{ip(a), 0})
			}
			_, err := c.learn(now, []string{test.name}, records)
			var bound *boundError
			if errors.As(err, &bound) != (test.bound != "") || (bound != nil && bound.bound != test.bound) {
				t.Errorf("error %v, want bound %q", err, test.bound)
			}
			want := test.want
			if want == nil {
				want = []Domain{domain("a.test", "192.0.2.1", "192.0.2.2")}
			}
			c.expectDomains(t, want...)
		})
	}
}

// restart opens a journal as the next proxy does.
func restart(t *testing.T, path string, now time.Time) (*journal, *cache) {
	t.Helper()
	j, entries, err := openJournal(path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.close(); err != nil {
			t.Error(err)
		}
	})
	c := testCache(Limits{})
	c.restore(entries)
	return j, c
}

func TestJournal(t *testing.T) {
	now, path := time.Now(), filepath.Join(t.TempDir(), "learned")
	j, c := restart(t, path, now)
	c.mustLearn(t, now, "a.test", 0, "192.0.2.1", "2001:db8::1")
	c.mustLearn(t, now, "b.test", 30*time.Minute, "192.0.2.1")
	if err := j.append(c.unwritten()); err != nil {
		t.Fatal(err)
	}
	c.mustLearn(t, now.Add(leaseSlack/2), "a.test", 0, "192.0.2.1")
	if again := c.unwritten(); len(again) != 0 {
		t.Errorf("small growth is written: %v", again)
	}
	_, c = restart(t, path, now.Add(30*time.Second))
	c.expectDomains(t, domain("a.test", "192.0.2.1", "2001:db8::1"), domain("b.test", "192.0.2.1"))
	if names := c.expire(now.Add(time.Minute+leaseSlack+leaseSlack/2-1), nil, 0); names != nil {
		t.Errorf("%v expired earlier than without a restart", names)
	}
	_, c = restart(t, path, now.Add(20*time.Minute))
	c.expectDomains(t, domain("b.test", "192.0.2.1"))
	_, c = restart(t, path, now.Add(2*time.Hour))
	c.expectDomains(t)
}

func TestJournalLeavesOutWhatItCannotRead(t *testing.T) {
	now, path := time.Now(), filepath.Join(t.TempDir(), "learned")
	until := now.Add(time.Hour).Format(time.RFC3339)
	text := `{"name":"a.test","address":"192.0.2.1","expires":"` + until + `"}
not a line
{"name":"B.test","address":"192.0.2.1","expires":"` + until + `"}
{"name":"c.test","address":"127.0.0.1","expires":"` + until + `"}
{"name":"d.test","expires":"` + until + `"}
{"name":"e.test","address":"192.0.2.`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, c := restart(t, path, now)
	c.expectDomains(t, domain("a.test", "192.0.2.1"))
}
