// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// scale is a cluster's size for benchmarks.
type scale struct{ policies, pods int }

func scales() []scale { return []scale{{1_000, 10_000}, {10_000, 100_000}} }

func (s scale) String() string { return fmt.Sprintf("policies=%d/pods=%d", s.policies, s.pods) }

const (
	benchNamespaces = 100
	benchLocalPods  = 110
)

func benchAddress(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(i))
	return netip.AddrFrom4(b)
}

// benchPod is one of the cluster's pods: an application per hundred pods, in one
// of the namespaces; the first pods are on the node that compiles.
func (s scale) benchPod(i int) Pod {
	node := "here"
	if i >= benchLocalPods {
		node = fmt.Sprintf("node-%d", i/benchLocalPods)
	}
	return Pod{
		Namespace: fmt.Sprintf("ns-%d", i%benchNamespaces), Name: fmt.Sprintf("pod-%d", i), Node: node,
		Labels:    labels.Set{"app": fmt.Sprintf("app-%d", i%s.policies), "pod-template-hash": fmt.Sprint(i % 5000)},
		Addresses: []netip.Addr{benchAddress(i)},
	}
}

// benchPolicy selects every pod and accepts from one application.
func (s scale) benchPolicy(i, port int) *Policy {
	p := &Policy{
		Key: PolicyKey{Name: fmt.Sprintf("policy-%d", i)}, Priority: int32(i % 1000),
		Subject: &PodSelector{Namespaces: labels.Everything(), Pods: labels.Everything()},
	}
	peer := labels.SelectorFromSet(labels.Set{"app": fmt.Sprintf("app-%d", i)})
	p.Rules[Ingress] = []Rule{{
		Action: Accept, Ports: []Port{{Protocol: TCP, First: uint16(port), Last: uint16(port)}},
		Peers: []Peer{{Pods: &PodSelector{Namespaces: labels.Everything(), Pods: peer}}},
	}}
	return p
}

func (s scale) build() *Compiler {
	c := NewCompiler("here")
	for i := range benchNamespaces {
		c.SetNamespace(fmt.Sprintf("ns-%d", i), labels.Set{"kubernetes.io/metadata.name": fmt.Sprintf("ns-%d", i)})
	}
	for i := range s.pods {
		c.SetPod(s.benchPod(i))
	}
	for i := range s.policies {
		c.SetPolicy(s.benchPolicy(i, 80))
	}
	c.Update()
	return c
}

func BenchmarkCompile(b *testing.B) {
	for _, s := range scales() {
		b.Run(s.String(), func(b *testing.B) {
			b.ReportAllocs()
			before := heap()
			var c *Compiler
			for b.Loop() {
				c = s.build()
			}
			b.ReportMetric((heap()-before)/float64(s.pods), "B/pod")
			runtime.KeepAlive(c)
		})
	}
}

// heap returns the bytes in use after a collection.
func heap() float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// BenchmarkEvent is the cost of one event with its Update.
func BenchmarkEvent(b *testing.B) {
	for _, s := range scales() {
		c := s.build()
		extra := s.benchPod(benchLocalPods + 7)
		extra.Name, extra.Addresses = "extra", []netip.Addr{benchAddress(s.pods + 1)}
		relabelled := extra
		relabelled.Labels = labels.Set{"app": "app-3"}
		changed := [2]*Policy{s.benchPolicy(5, 81), s.benchPolicy(5, 80)}
		added := s.benchPolicy(s.policies, 80)
		events := []struct {
			name string
			do   func(i int)
		}{
			{"pod=add+delete", func(i int) {
				if i%2 == 0 {
					c.SetPod(extra)
				} else {
					c.DeletePod(extra.Namespace, extra.Name)
				}
			}},
			{"pod=relabel", func(i int) { c.SetPod([]Pod{extra, relabelled}[i%2]) }},
			{"policy=change", func(i int) { c.SetPolicy(changed[i%2]) }},
			{"policy=add+delete", func(i int) {
				if i%2 == 0 {
					c.SetPolicy(added)
				} else {
					c.DeletePolicy(added.Key)
				}
			}},
		}
		for _, e := range events {
			b.Run(s.String()+"/"+e.name, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					e.do(i)
					c.Update()
					i++
				}
			})
		}
	}
}
