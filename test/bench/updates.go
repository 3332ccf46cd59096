// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
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

// event is something that happens and is undone, in turns.
type event struct {
	happens, undone string
	do, undo        func(c *ruleset.Compiler)
}

func events(s scenario) []event {
	extra := s.pod(7)
	extra.Name, extra.Addresses = "extra", []netip.Addr{podAddress(1<<22, false)}
	relabelled, moved := extra, extra
	relabelled.Labels = s.pod(8).Labels
	moved.Addresses = []netip.Addr{podAddress(1<<22+1, false)}
	local := extra
	local.Namespace, local.Name, local.Node, local.Addresses = "ns-0", "local", nodeName, []netip.Addr{podAddress(1<<22+2, false)}
	local.Labels = labels.Set{"role": "subject"}
	// Its peers are pods that other policies tell apart already.
	added := s.policy(s, s.policies)
	added.Rules[ruleset.Ingress][0].Peers = []ruleset.Peer{labelled("group", 0)}
	added.Rules[ruleset.Ingress][0].Ports = []ruleset.Port{single(port+2000, port+2000)}
	set := func(p ruleset.Pod) func(*ruleset.Compiler) { return func(c *ruleset.Compiler) { c.SetPod(p) } }
	remove := func(p ruleset.Pod) func(*ruleset.Compiler) {
		return func(c *ruleset.Compiler) { c.DeletePod(p.Namespace, p.Name) }
	}
	write := func(p *ruleset.Policy) func(*ruleset.Compiler) { return func(c *ruleset.Compiler) { c.SetPolicy(p) } }
	return []event{
		{"pod added", "pod deleted", set(extra), remove(extra)},
		{"pod relabelled", "pod relabelled back", set(relabelled), set(extra)},
		{"pod's address changed", "pod's address changed back", set(moved), set(extra)},
		{"pod of the node added", "pod of the node deleted", set(local), remove(local)},
		{"policy added", "policy deleted", write(added), func(c *ruleset.Compiler) { c.DeletePolicy(added.Key) }},
		{"policy's port changed", "policy's port changed back", write(withOtherPort(s.policy(s, 3))), write(s.policy(s, 3))},
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
		happens, undone := &samples{}, &samples{}
		for range repeats {
			if err := errors.Join(a.sample(event.do, happens), a.sample(event.undo, undone)); err != nil {
				return fmt.Errorf("%s: %w", event.happens, err)
			}
		}
		row := []string{fmt.Sprint(s.policies), fmt.Sprint(s.pods), form}
		t.add(append(row[:3:3], happens.cells(event.happens)...)...)
		t.add(append(row[:3:3], undone.cells(event.undone)...)...)
	}
	return nil
}

// samples are the measurements of one event.
type samples struct {
	total, compile []time.Duration
	// result is that of the last time.
	result dataplane.Result
}

func (x *samples) cells(name string) []string {
	return []string{
		name, millis(quantile(x.total, 0.5)), millis(quantile(x.total, 0.99)), millis(quantile(x.compile, 0.5)),
		fmt.Sprint(x.result.Messages), fmt.Sprint(x.result.Elements),
	}
}

// sample has the event happen and measures it, with as many commits as the agent
// makes of it.
func (a *inside) sample(do func(*ruleset.Compiler), x *samples) error {
	start := time.Now()
	do(a.compiler)
	var compiled time.Duration
	var result dataplane.Result
	resumed := start
	for delta := range a.compiler.Steps() {
		compiled += time.Since(resumed)
		r, err := a.kernel.Apply(context.Background(), a.compiler.Ruleset(), delta)
		if err != nil {
			return err
		}
		result.Messages, result.Elements = result.Messages+r.Messages, result.Elements+r.Elements
		resumed = time.Now()
	}
	x.total, x.compile, x.result = append(x.total, time.Since(start)), append(x.compile, compiled), result
	return nil
}
