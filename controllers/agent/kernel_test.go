// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"

	"github.com/google/nftables"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/controllers/internal/testapi"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/internal/netnstest"
)

// describeKernel checks the whole path: what is written to the API server drops
// packets.
func describeKernel(server *testapi.Server) {
	Describe("an agent with a kernel", func() {
		It("drops packets by policy, before and after it stopped, and repairs its table", func(ctx SpecContext) {
			netnstest.Require(GinkgoTB())
			web, peer := netip.MustParseAddr("10.20.0.1"), netip.MustParseAddr("10.20.0.2")
			node := newNode(web, peer)
			passes := func() bool { return node.passes(peer, web) }
			w := newWorld(ctx, server)
			w.pod(ctx, "web", nil, web.String())
			w.pod(ctx, "peer", nil, peer.String())

			Expect(passes()).To(BeTrue())
			first := node.open()
			stop := start(server, first)
			p := w.networkPolicy(ctx, "isolate")
			Eventually(passes).Should(BeFalse(), "the NetworkPolicy isolates")

			node.deleteTable()
			Eventually(passes).Should(BeFalse(), "the table was repaired")

			stop()
			Expect(first.Close()).To(Succeed())
			Expect(passes()).To(BeFalse(), "what was enforced stays")

			Expect(w.client.Delete(ctx, p)).To(Succeed())
			second := node.open()
			DeferCleanup(second.Close)
			start(server, second)
			Eventually(passes).Should(BeTrue(), "the next agent takes over, and knows of the deletion")
		})
	})
}

// node is a throw-away node with two pods.
type node struct{ *netnstest.Topology }

func newNode(addresses ...netip.Addr) *node {
	GinkgoHelper()
	var pods [][]netip.Addr
	for _, a := range addresses {
		pods = append(pods, []netip.Addr{a})
	}
	topology, err := netnstest.New(netnstest.Config{Pods: pods})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(topology.Close)
	return &node{topology}
}

// open opens a dataplane on the node, as an agent that starts does.
func (n *node) open() *dataplane.Dataplane {
	GinkgoHelper()
	d, err := dataplane.New(dataplane.Config{Netns: n.Node().FD(), Logger: GinkgoLogr})
	Expect(err).NotTo(HaveOccurred())
	return d
}

// passes tells whether a first TCP packet gets from the second pod to the first.
func (n *node) passes(src, dst netip.Addr) bool {
	GinkgoHelper()
	Expect(n.ForgetConnections()).To(Succeed())
	arrived, err := n.Send([]netnstest.Packet{{From: n.Pod(1), Src: src, Dst: dst, Protocol: unix.IPPROTO_TCP, DstPort: 80}})
	Expect(err).NotTo(HaveOccurred())
	return arrived[0] == n.Pod(0)
}

// deleteTable deletes Tierwall's table, as somebody else might.
func (n *node) deleteTable() {
	GinkgoHelper()
	c, err := nftables.New(nftables.WithNetNSFd(n.Node().FD()))
	Expect(err).NotTo(HaveOccurred())
	c.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: dataplane.TableName})
	Expect(c.Flush()).To(Succeed())
}
