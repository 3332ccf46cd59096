// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/internal/netnstest"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// Kernel is a node in network namespaces of its own, with the real tables of the
// states that it is taken to.
type Kernel struct {
	topology *netnstest.Topology
	plane    *dataplane.Dataplane
	agent    *Agent
	// places are where packets from an address enter.
	places map[netip.Addr]netnstest.Port
}

// NewKernel makes the namespaces; it needs CAP_SYS_ADMIN and CAP_NET_ADMIN. No
// agent runs there before Restart.
func NewKernel() (*Kernel, error) {
	pods := gen.LocalAddresses()
	topology, err := netnstest.New(netnstest.Config{Pods: pods})
	if err != nil {
		return nil, err
	}
	k := &Kernel{topology: topology, places: map[netip.Addr]netnstest.Port{}}
	if !slices.Equal(topology.HostAddresses(), gen.HostAddresses()) {
		return nil, errors.Join(errors.New("the topology's host addresses are not those of the generated node"), k.Close())
	}
	for i, addresses := range pods {
		for _, address := range addresses {
			k.places[address] = topology.Pod(i)
		}
	}
	return k, nil
}

// Restart puts a new agent in place of the one before, which leaves its table in
// the kernel.
func (k *Kernel) Restart() error {
	if k.plane != nil {
		if err := k.plane.Close(); err != nil {
			return fmt.Errorf("close data plane: %w", err)
		}
	}
	var err error
	k.agent = NewAgent()
	k.plane, err = dataplane.New(dataplane.Config{Netns: k.topology.Node().FD()})
	return err
}

// Close removes everything.
func (k *Kernel) Close() error {
	var err error
	if k.plane != nil {
		err = k.plane.Close()
	}
	return errors.Join(err, k.topology.Close())
}

// Reach brings the kernel to a state and makes sure that doing it again sends
// nothing.
func (k *Kernel) Reach(ctx context.Context, state *oracle.Cluster) error {
	k.agent.Load(state)
	rs := k.agent.Compiler.Ruleset()
	for delta := range k.agent.Compiler.Steps() {
		if _, err := k.plane.Apply(ctx, rs, delta); err != nil {
			return err
		}
	}
	again, err := k.plane.Apply(ctx, rs, nil)
	if err == nil && again.Messages > 0 {
		err = fmt.Errorf("applying the same state again sends %d messages", again.Messages)
	}
	return err
}

// Compare sends packets and compares what becomes of each with the oracle.
func (k *Kernel) Compare(state *oracle.Cluster, packets []oracle.Packet) error {
	return k.compare(oracle.New(state), packets)
}

func (k *Kernel) compare(o *oracle.Oracle, packets []oracle.Packet) error {
	arrived, err := k.send(o, packets)
	if err != nil {
		return err
	}
	for i, p := range packets {
		if want := o.Decide(gen.LocalNode, p); want.Allowed != (arrived[i] != netnstest.Nowhere) {
			return fmt.Errorf("%s: the oracle says %+v, in the kernel it arrived at %d", p, want, arrived[i])
		}
	}
	return nil
}

// Transition brings the kernel from one state to another while it sends packets
// that every state on the way gives the same verdict, again and again: they must
// get it all the time. It returns how many packets it sent.
//
// The agent learns of objects one after the other, pods, namespaces and nodes
// before policies; so there is a state in between where these are new and the
// policies are old. And a packet is judged twice: in either direction the verdict
// must stay the same.
func (k *Kernel) Transition(ctx context.Context, from, to *oracle.Cluster, packets []oracle.Packet) (int, error) {
	between := *to
	between.NetworkPolicies, between.Upstream, between.Tierwall = from.NetworkPolicies, from.Upstream, from.Tierwall
	before, during, after := oracle.New(from), oracle.New(&between), oracle.New(to)
	packets = slices.DeleteFunc(slices.Clone(packets), func(p oracle.Packet) bool {
		return !sameVerdicts(before, after, p) || !sameVerdicts(during, after, p) || k.entry(before, p) != k.entry(after, p)
	})
	done, reached := make(chan struct{}), error(nil)
	go func() {
		defer close(done)
		reached = k.Reach(ctx, to)
	}()
	probes, different := k.probe(after, packets, done)
	<-done
	return probes, errors.Join(reached, different)
}

// sameVerdicts reports whether a packet is treated alike in two states, by each
// end's policies.
func sameVerdicts(a, b *oracle.Oracle, p oracle.Packet) bool {
	return a.Decide(gen.LocalNode, p).Allowed == b.Decide(gen.LocalNode, p).Allowed &&
		a.Judge(oracle.Egress, p).Allowed == b.Judge(oracle.Egress, p).Allowed &&
		a.Judge(oracle.Ingress, p).Allowed == b.Judge(oracle.Ingress, p).Allowed
}

// probe sends the packets until done, and once more after.
func (k *Kernel) probe(o *oracle.Oracle, packets []oracle.Packet, done <-chan struct{}) (int, error) {
	sent := 0
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		if err := k.compare(o, packets); err != nil {
			return sent, fmt.Errorf("on the way between two states that agree on it: %w", err)
		}
		sent += len(packets)
	}
	return sent, nil
}

func (k *Kernel) send(o *oracle.Oracle, packets []oracle.Packet) ([]netnstest.Port, error) {
	wire := make([]netnstest.Packet, 0, len(packets))
	for _, p := range packets {
		wire = append(wire, netnstest.Packet{
			From: k.entry(o, p), Src: p.Source, Dst: p.Destination, Protocol: uint8(p.Protocol), DstPort: p.Port,
		})
	}
	return k.topology.Send(wire)
}

// entry is where a packet enters the node: its pods have their own veths, what
// comes from its addresses it sends itself, all else comes from outside.
func (k *Kernel) entry(o *oracle.Oracle, p oracle.Packet) netnstest.Port {
	if place, ok := k.places[p.Source]; ok {
		return place
	}
	if o.OfNode(gen.LocalNode, p.Source) {
		return netnstest.Host
	}
	return netnstest.Uplink
}

// Sample draws packets that pass the node, from or to an address that its pods
// have in some state, of those that the states may tell apart.
func Sample(r *rand.Rand, count int, states ...*oracle.Cluster) []oracle.Packet {
	traffic, local := gen.Interesting(states...), slices.Concat(gen.LocalAddresses()...)
	packets := make([]oracle.Packet, 0, count)
	for len(packets) < count {
		one, other := local[r.IntN(len(local))], traffic.Addresses[r.IntN(len(traffic.Addresses))]
		services := traffic.Packets(one, other)
		if one == other || len(services) == 0 {
			continue
		}
		p := services[r.IntN(len(services))]
		if r.IntN(2) == 0 {
			p.Source, p.Destination = p.Destination, p.Source
		}
		packets = append(packets, p)
	}
	return packets
}
