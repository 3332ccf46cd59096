// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// proberPort is one that no policy of the cluster speaks of.
const proberPort = 9999

// world is a cluster's API server and one of its nodes, which is the namespace
// that this program runs in. Nothing but its policies decides about packets
// from the prober to the target, the node's first pod.
type world struct {
	cluster *fakecluster.Cluster
	network *netnstest.Topology
	size    fakecluster.Size
}

func newWorld(ctx context.Context, size fakecluster.Size) (*world, error) {
	w := &world{size: size}
	if err := w.build(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) build(ctx context.Context) error {
	node, err := netnstest.CurrentNamespace()
	if err != nil {
		return err
	}
	w.network, err = netnstest.New(netnstest.Config{Node: node, Pods: [][]netip.Addr{{fakecluster.Address(0)}}})
	if err != nil {
		return err
	}
	if w.cluster, err = fakecluster.Start(); err != nil {
		return err
	}
	return w.cluster.Fill(ctx, w.size)
}

func (w *world) close() error {
	var errs []error
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop())
	}
	if w.network != nil {
		errs = append(errs, w.deleteTable(), w.network.Close())
	}
	return errors.Join(errs...)
}

// deleteTable deletes the agent's table, if it is there.
func (w *world) deleteTable() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	t := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: dataplane.TableName})
	conn.DelTable(t)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("delete table: %w", err)
	}
	return nil
}

// moved returns a pod of another node at its i-th address.
func (w *world) moved(i int) *corev1.Pod {
	const first = 200
	number := first + i%(w.size.Pods-first)
	pod := fakecluster.Pod(number, w.size.Policies)
	address := fakecluster.Address(1<<22 + i%1000).String()
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	return pod
}

// allowed asks whether packets from an address to the target arrive.
func (w *world) allowed(source netip.Addr) (bool, error) {
	packet := netnstest.Packet{From: netnstest.Uplink, Src: source, Dst: fakecluster.Address(0), Protocol: unix.IPPROTO_UDP, DstPort: proberPort}
	arrived, err := w.network.Send([]netnstest.Packet{packet})
	if err != nil {
		return false, err
	}
	return arrived[0] == w.network.Pod(0), nil
}

// probing counts packets that are allowed and those that were lost all the same.
type probing struct {
	sent, lost int
	err        error
	done       chan struct{}
}

// probe sends allowed packets, each of a new connection, until ctx ends.
func (w *world) probe(ctx context.Context) *probing {
	p := &probing{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for ; ctx.Err() == nil && p.err == nil; time.Sleep(time.Millisecond) {
			var ok bool
			ok, p.err = w.allowed(fakecluster.Address(1))
			p.sent++
			if !ok {
				p.lost++
			}
		}
	}()
	return p
}

// result waits until probing has ended.
func (p *probing) result() (lost, sent int, err error) {
	<-p.done
	return p.lost, p.sent, p.err
}
