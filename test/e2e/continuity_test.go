// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/test/story/prober"
)

const (
	// watching is how long connections are tried while agents restart. A spec
	// fails if the restart took longer.
	watching = 25 * time.Second
	// talking is how long a connection is used while a policy is made.
	talking = 8 * time.Second
)

func describeContinuity(e *environment) {
	Describe("enforcement", func() {
		It("has no gap while agents are deleted and killed", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			w.apply(ctx, withPort(acceptPort, httpPort))
			accepted, denied := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort)
			w.reaches(ctx, w.from("client"), accepted...)
			w.isDenied(ctx, w.from("client"), denied...)

			acceptedTallies := w.watch(ctx, w.from("client"), accepted)
			deniedTallies := w.watch(ctx, w.from("client"), denied)
			e.deleteAgents(ctx)
			e.killAgents(ctx)
			Expect(acceptedTallies).NotTo(Receive(), "the agents took too long to restart to be watched all the time")

			var tallies []prober.Tally
			Eventually(acceptedTallies).WithContext(ctx).WithTimeout(2 * watching).Should(Receive(&tallies))
			Expect(tallies).To(HaveEach(SatisfyAll(HaveField("Reached", BeNumerically(">", 0)), HaveField("Failed", BeZero()))))
			Eventually(deniedTallies).WithContext(ctx).WithTimeout(2 * watching).Should(Receive(&tallies))
			Expect(tallies).To(HaveEach(SatisfyAll(HaveField("Failed", BeNumerically(">", 0)), HaveField("Reached", BeZero()))))

			By("the agents that restarted enforce what is new")
			w.apply(ctx, withPort(acceptPort, metricsPort))
			w.reaches(ctx, w.from("client"), denied...)
			w.isDenied(ctx, w.from("client"), accepted...)
		}, SpecTimeout(specTimeout))

		It("comes back when somebody deletes the table", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			denied := w.tcp(ctx, httpPort)
			w.apply(ctx, withPort(denyPort, httpPort))
			w.isDenied(ctx, w.from("client"), denied...)
			_, err := e.nft(ctx, "node1", "delete", "table", "inet", "tierwall")
			Expect(err).NotTo(HaveOccurred())
			Eventually(e.nft).WithArguments(ctx, "node1", "list", "table", "inet", "tierwall").WithTimeout(patience).
				Should(ContainSubstring("deny/admin-ingress/tcnp/" + w.namespace))
			w.isDenied(ctx, w.from("client"), denied...)
		}, SpecTimeout(specTimeout))

		It("of a new Deny leaves established connections alone", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			server := w.addresses(ctx, "server")
			conversation := make(chan prober.Conversation, 1)
			go func() {
				defer GinkgoRecover()
				var c prober.Conversation
				address := net.JoinHostPort(server[0].String(), strconv.Itoa(httpPort))
				Expect(w.story.Probe(ctx, w.from("client"), &c, "converse", "--for", talking.String(), address)).To(Succeed())
				conversation <- c
			}()
			e.hasEstablished(ctx, "node2", w.addresses(ctx, "client")[0], server[0])
			w.apply(ctx, withPort(denyPort, httpPort))
			w.isDenied(ctx, w.from("client"), w.tcp(ctx, httpPort)...)
			denied := time.Now()

			var c prober.Conversation
			Eventually(conversation).WithContext(ctx).WithTimeout(specTimeout).Should(Receive(&c))
			Expect(c.Error).To(BeEmpty())
			Expect(c.Connections).To(Equal(1))
			Expect(c.LastAnswer).To(BeTemporally(">", denied), "there were answers after new connections were denied")
		}, SpecTimeout(specTimeout))
	})
}

// hasEstablished waits until the kernel of a node tracks an established TCP
// connection.
func (e *environment) hasEstablished(ctx context.Context, node string, from, to netip.Addr) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var flows []*netlink.ConntrackFlow
		g.Expect(e.cluster.InNode(node, func() (err error) {
			flows, err = netlink.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
			return err
		})).To(Succeed())
		g.Expect(slices.ContainsFunc(flows, func(f *netlink.ConntrackFlow) bool {
			info, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
			return ok && info.State == nl.TCP_CONNTRACK_ESTABLISHED &&
				f.Forward.SrcIP.Equal(from.AsSlice()) && f.Forward.DstIP.Equal(to.AsSlice())
		})).To(BeTrue(), "an established connection from %s to %s", from, to)
	}).WithContext(ctx).WithTimeout(patience).Should(Succeed())
}

// watch tries connections all the time, and tells in the end what came of them.
func (w *world) watch(ctx context.Context, from string, targets []string) <-chan []prober.Tally {
	result := make(chan []prober.Tally, 1)
	go func() {
		defer GinkgoRecover()
		var tallies []prober.Tally
		args := append([]string{"repeat", "--for", watching.String()}, targets...)
		Expect(w.story.Probe(ctx, from, &tallies, args...)).To(Succeed())
		result <- tallies
	}()
	return result
}

func (e *environment) agents(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(e.client.List(ctx, &pods, client.InNamespace("tierwall-system"),
		client.MatchingLabels{"app.kubernetes.io/component": "agent"})).To(Succeed())
	Expect(pods.Items).NotTo(BeEmpty())
	return pods.Items
}

// deleteAgents deletes all agents and waits until there are new ones.
func (e *environment) deleteAgents(ctx context.Context) {
	GinkgoHelper()
	e.kubectl(ctx, "-n", "tierwall-system", "delete", "pod", "--selector=app.kubernetes.io/component=agent", "--wait")
	e.kubectl(ctx, "-n", "tierwall-system", "rollout", "status", "--timeout=1m", "daemonset/tierwall-agent")
}

// killAgents ends the processes of all agents without warning, and waits until
// the kubelet has started them again.
func (e *environment) killAgents(ctx context.Context) {
	GinkgoHelper()
	for _, agent := range e.agents(ctx) {
		pid := processOf(agent, "/agent")
		Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
	}
	Eventually(func(g Gomega) {
		for _, agent := range e.agents(ctx) {
			status := agent.Status.ContainerStatuses[0]
			g.Expect(status.RestartCount).To(BeNumerically(">", 0), agent.Name)
			g.Expect(status.Ready).To(BeTrue(), agent.Name)
		}
	}).WithContext(ctx).WithTimeout(time.Minute).Should(Succeed())
}

// processOf finds a pod's process by its program. The containers' processes are
// this machine's.
func processOf(pod corev1.Pod, program string) int {
	GinkgoHelper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	Expect(err).NotTo(HaveOccurred())
	for _, process := range processes {
		groups, _ := os.ReadFile(filepath.Join(process, "cgroup"))
		arguments, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		name, _, _ := strings.Cut(string(arguments), "\x00")
		if name == program && strings.Contains(string(groups), string(pod.UID)) {
			pid, err := strconv.Atoi(filepath.Base(process))
			Expect(err).NotTo(HaveOccurred())
			return pid
		}
	}
	Fail("pod " + pod.Name + " has no process " + program)
	return 0
}
