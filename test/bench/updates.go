// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/ruleset"
)

// inside is the agent's inside: a compiler and the kernel.
type inside struct {
	network  *netnstest.Topology
	compiler *ruleset.Compiler
	kernel   *dataplane.Dataplane
}

func newAgent(s scenario) (*inside, error) {
	network, err := netnstest.New(netnstest.Config{})
	if err != nil {
		return nil, err
	}
	kernel, err := dataplane.New(dataplane.Config{Netns: network.Node().FD()})
	if err != nil {
		return nil, err
	}
	a := &inside{network, s.compiler(), kernel}
	_, err = a.commit()
	return a, err
}

// commit brings the kernel up to date and returns when it acknowledged.
func (a *inside) commit() (dataplane.Result, error) {
	delta := a.compiler.Update()
	return a.kernel.Apply(context.Background(), a.compiler.Ruleset(), delta)
}

func (a *inside) close() {
	_ = a.kernel.Close()
	_ = a.network.Close()
}

// event is something that happens again and again; i counts.
type event struct {
	name string
	do   func(c *ruleset.Compiler, i int)
}

func events(s scenario) []event {
	extra := s.pod(7)
	extra.Name, extra.UID, extra.Addresses = "extra", "extra", []netip.Addr{podAddress(1<<22, false)}
	relabelled := extra
	relabelled.Labels = s.pod(8).Labels
	local := extra
	local.Namespace, local.Name, local.UID, local.Node, local.Addresses = "ns-0", "local", "local", nodeName, []netip.Addr{podAddress(1<<22+1, false)}
	local.Labels = labels.Set{"role": "subject"}
	added, changed := s.policy(s, s.policies), s.policy(s, 3)
	changed = withOtherPort(changed)
	return []event{
		{"pod added, deleted", func(c *ruleset.Compiler, i int) {
			if i%2 == 0 {
				c.SetPod(extra)
			} else {
				c.DeletePod(extra.Namespace, extra.Name)
			}
		}},
		{"pod relabelled", func(c *ruleset.Compiler, i int) { c.SetPod([]ruleset.Pod{extra, relabelled}[i%2]) }},
		{"local pod added, deleted", func(c *ruleset.Compiler, i int) {
			if i%2 == 0 {
				c.SetPod(local)
			} else {
				c.DeletePod(local.Namespace, local.Name)
			}
		}},
		{"policy added, deleted", func(c *ruleset.Compiler, i int) {
			if i%2 == 0 {
				c.SetPolicy(added)
			} else {
				c.DeletePolicy(added.Key)
			}
		}},
		{"policy changed", func(c *ruleset.Compiler, i int) { c.SetPolicy([]*ruleset.Policy{changed, s.policy(s, 3)}[i%2]) }},
	}
}

// withOtherPort returns a copy of the policy whose rule is about another port.
func withOtherPort(p *ruleset.Policy) *ruleset.Policy {
	changed := *p
	rule := p.Rules[ruleset.Ingress][0]
	rule.Ports = []ruleset.Port{single(port+1000, port+1000)}
	changed.Rules[ruleset.Ingress] = []ruleset.Rule{rule}
	return &changed
}

func updateScales(e effort) []scenario {
	if e.small {
		return []scenario{{policies: 10, pods: 100}}
	}
	return []scenario{{policies: 1_000, pods: 10_000}, {policies: 10_000, pods: 100_000}}
}

func runUpdates(e effort) error {
	t := table{
		title: "An event, from the compiler to the kernel's acknowledgement",
		head:  []string{"policies", "pods", "form", "event", "p50 ms", "p99 ms", "of it compiler p50 ms", "messages", "elements"},
	}
	for _, s := range updateScales(e) {
		for _, form := range []struct {
			name   string
			policy func(scenario, int) *ruleset.Policy
		}{{"ClusterNetworkPolicy", clusterPolicies}, {"NetworkPolicy", networkPolicies}} {
			s.policy = form.policy
			if err := measureUpdates(e, s, form.name, &t); err != nil {
				return err
			}
		}
	}
	return t.write(os.Stdout)
}

func measureUpdates(e effort, s scenario, form string, t *table) error {
	a, err := newAgent(s)
	if err != nil {
		return err
	}
	defer a.close()
	repeats := 200
	if e.small {
		repeats = 4
	}
	for _, event := range events(s) {
		var total, compile []time.Duration
		var result dataplane.Result
		for i := range repeats {
			start := time.Now()
			event.do(a.compiler, i)
			delta := a.compiler.Update()
			compiled := time.Now()
			result, err = a.kernel.Apply(context.Background(), a.compiler.Ruleset(), delta)
			if err != nil {
				return fmt.Errorf("%s: %w", event.name, err)
			}
			total, compile = append(total, time.Since(start)), append(compile, compiled.Sub(start))
		}
		t.add(fmt.Sprint(s.policies), fmt.Sprint(s.pods), form, event.name, millis(quantile(total, 0.5)), millis(quantile(total, 0.99)),
			millis(quantile(compile, 0.5)), fmt.Sprint(result.Messages), fmt.Sprint(result.Elements))
	}
	return nil
}
