// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"runtime"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/tierwall/tierwall/ruleset"
)

// dimension is something a cluster can have more and more of.
type dimension struct {
	name string
	// sizes are how much of it; small ones for a quick look.
	sizes, small []int
	// fill tells a compiler of a cluster with so much of it.
	fill func(c *ruleset.Compiler, n int)
}

func dimensions() []dimension {
	fill := func(s func(n int) scenario) func(*ruleset.Compiler, int) {
		return func(c *ruleset.Compiler, n int) { s(n).fill(c) }
	}
	thousands, small := []int{1_000, 3_000, 10_000}, []int{100, 300}
	return []dimension{
		{"policies (10,000 pods)", thousands, small, fill(func(n int) scenario { return scenario{policies: n, pods: 10_000, policy: clusterPolicies} })},
		{"pods (100 policies)", []int{10_000, 30_000, 100_000}, small, fill(func(n int) scenario { return scenario{policies: 100, pods: n, policy: clusterPolicies} })},
		{"stacks (1,000 pods)", []int{10, 30, 100}, []int{3, 10}, manyStacks},
		{"pods, each with labels of its own", []int{10_000, 30_000, 100_000}, small, ownLabels},
		{"policies, each with networks of its own", thousands, small, fill(func(n int) scenario { return scenario{policies: n, pods: 1_000, policy: withNetworks} })},
		{"policies, each with overlapping networks", []int{100, 300, 1_000}, []int{30, 100}, overlappingNetworks},
		{"policies with 1,000 ports each", []int{10, 30, 100}, []int{3, 10}, manyPorts},
		{"policies with overlapping port ranges, one peer", []int{100, 300, 1_000}, []int{30, 100}, overlappingRanges},
		{"selectors that cut across each other", []int{4, 8, 12}, []int{2, 4}, crossingSelectors},
	}
}

func runGrowth(e effort) error {
	t := table{
		title: "How the compiler's cost grows (exponent p: cost grows as size to the power of p)",
		head:  []string{"what grows", "sizes", "time s", "exponent", "memory MiB", "exponent", "classes", "rows", "distinct rows"},
	}
	for _, d := range dimensions() {
		if e.small {
			d.sizes = d.small
		}
		t.add(d.measure()...)
	}
	return t.write(os.Stdout)
}

// cost is that of one compilation from scratch.
type cost struct {
	time   time.Duration
	memory uint64
	stats  ruleset.Stats
}

func (d dimension) measure() []string {
	var x, times, memories []float64
	var cells [6]string
	for i, n := range d.sizes {
		c := d.compile(n)
		x, times, memories = append(x, float64(n)), append(times, c.time.Seconds()), append(memories, float64(c.memory))
		for j, text := range []string{
			fmt.Sprint(n), fmt.Sprintf("%.3f", c.time.Seconds()), fmt.Sprintf("%.1f", float64(c.memory)/(1<<20)),
			fmt.Sprint(c.stats.Classes), fmt.Sprint(c.stats.Rows), fmt.Sprint(c.stats.DistinctRows),
		} {
			if i > 0 {
				cells[j] += " / "
			}
			cells[j] += text
		}
	}
	return []string{
		d.name, cells[0], cells[1], fmt.Sprintf("%.2f", exponent(x, times)), cells[2], fmt.Sprintf("%.2f", exponent(x, memories)), cells[3], cells[4], cells[5],
	}
}

func (d dimension) compile(n int) cost {
	before := heap()
	start := time.Now()
	c := ruleset.NewCompiler(nodeName)
	d.fill(c, n)
	c.Update()
	took := time.Since(start)
	after := heap()
	return cost{time: took, memory: max(after, before) - before, stats: c.Stats()}
}

// heap returns the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// exponent fits y = a*x^p by least squares of the logarithms, and returns p.
func exponent(x, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	n := float64(len(x))
	for i := range x {
		lx, ly := math.Log(x[i]), math.Log(max(y[i], math.SmallestNonzeroFloat64))
		sx, sy, sxx, sxy = sx+lx, sy+ly, sxx+lx*lx, sxy+lx*ly
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// fillPods tells of the cluster that adversarial policies are added to: a pod of the
// node and a thousand elsewhere.
func fillPods(c *ruleset.Compiler) {
	scenario{policies: 100, pods: 1_000, policy: clusterPolicies}.fill(c)
}

// manyStacks gives each of n pods of the node a policy of its own, besides 100
// that select them all.
func manyStacks(c *ruleset.Compiler, n int) {
	fillPods(c)
	for i := range n {
		app := labels.Set{"role": "subject", "stack": fmt.Sprint(i)}
		c.SetPod(ruleset.Pod{
			Namespace: "ns-0", Name: fmt.Sprintf("local-%d", i), Node: nodeName, Labels: app,
			Addresses: []netip.Addr{podAddress(1<<22+i, false)},
		})
		p := clusterPolicy(1000+i, ruleset.Deny, labelled("app", i%100), single(port+1, port+1))
		p.Subject.Pods = labels.SelectorFromSet(app)
		c.SetPolicy(p)
	}
}

// ownLabels has n pods that no other has the labels of.
func ownLabels(c *ruleset.Compiler, n int) {
	s := scenario{policies: 100, pods: n, policy: clusterPolicies}
	s.fill(c)
	for i := range n {
		pod := s.pod(i)
		pod.Labels = labels.Merge(pod.Labels, labels.Set{"own": fmt.Sprint(i)})
		c.SetPod(pod)
	}
}

// overlappingNetworks has policy i speak of a network of 2^(8+i%16) addresses,
// with a hole.
func overlappingNetworks(c *ruleset.Compiler, n int) {
	fillPods(c)
	for i := range n {
		prefix := netip.PrefixFrom(podAddress(i*4099, false), 8+i%16).Masked()
		hole := netip.PrefixFrom(podAddress(i*4099, false), 28).Masked()
		peer := ruleset.Peer{Net: &ruleset.Network{CIDR: prefix, Except: []netip.Prefix{hole}}}
		c.SetPolicy(clusterPolicy(1000+i, ruleset.Accept, peer, single(uint16(port+i), uint16(port+i))))
	}
}

func manyPorts(c *ruleset.Compiler, n int) {
	fillPods(c)
	for i := range n {
		var ports []ruleset.Port
		for j := range 1_000 {
			number := uint16(1024 + (i*577+j*13)%60_000)
			ports = append(ports, single(number, number))
		}
		c.SetPolicy(clusterPolicy(1000+i, ruleset.Accept, labelled("app", i), ports...))
	}
}

// overlappingRanges has every policy speak of the same pods and of a range that
// overlaps with those of the others.
func overlappingRanges(c *ruleset.Compiler, n int) {
	fillPods(c)
	for i := range n {
		first := uint16(1024 + i*17)
		c.SetPolicy(clusterPolicy(1000+i, ruleset.Accept, labelled("app", 3), single(first, first+30_000)))
	}
}

// crossingSelectors is the worst case of classes: n labels that every one of up
// to 2^n combinations of pods has, and a policy for each.
func crossingSelectors(c *ruleset.Compiler, n int) {
	for i := range 1 << n {
		set := labels.Set{}
		for bit := range n {
			set[fmt.Sprintf("bit-%d", bit)] = fmt.Sprint(i >> bit & 1)
		}
		name := fmt.Sprintf("pod-%d", i)
		c.SetPod(ruleset.Pod{Namespace: "ns-0", Name: name, Node: "elsewhere", Labels: set, Addresses: []netip.Addr{podAddress(i, false)}})
	}
	c.SetPod(ruleset.Pod{Namespace: "ns-0", Name: "subject", Node: nodeName, Addresses: []netip.Addr{subject(false)}})
	for bit := range n {
		c.SetPolicy(clusterPolicy(bit, ruleset.Accept, labelled(fmt.Sprintf("bit-%d", bit), 1), single(uint16(port+bit), uint16(port+bit))))
	}
}
