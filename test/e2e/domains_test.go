// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/controllers/agent"
	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/dns/lab"
	"github.com/tierwall/tierwall/test/story/prober"
)

const (
	// The addresses of the DNS server outside of the cluster, which is also the
	// one that the cluster's DNS asks.
	outsideDNS  = "203.0.113.53"
	outsideDNS6 = "2001:db8::53"
	// names is how many are resolved for the first time, and connected to.
	names = 10_000
	// tooMany is how many addresses the names below many.example.com have: one
	// more than the agent learns of one name.
	tooMany = 1_001
	// leaseTime is longer than an address stays that the agent's default least
	// TTL is for.
	leaseTime = 2 * time.Minute

	domainsOnly = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE}
spec:
  tier: Admin
  priority: 500
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
      podSelector: {matchLabels: {app: client}}
  egress:
  - action: Accept
    to:
    - pods:
        namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        podSelector: {matchLabels: {k8s-app: kube-dns}}
    - networks: [203.0.113.53/32, "2001:db8::53/128"]
    protocols: [{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]
  - action: Accept
    to: [{domainNames: ["*.example.com"]}]
    protocols: [{tcp: {destinationPort: {number: 443}}}]
  - action: Deny
    to: [{networks: [0.0.0.0/0, "::/0"]}]
`
	dnsDenied = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE-nodns}
spec:
  tier: Admin
  priority: 400
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
      podSelector: {matchLabels: {app: client}}
  egress:
  - action: Deny
    to: [{networks: [0.0.0.0/0, "::/0"]}]
    protocols: [{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]
`
)

// domainServers are whom the cluster's DNS asks.
func domainServers() []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort(outsideDNS + ":53")}
}

func describeDomains(e *environment) {
	Describe("domain names", Ordered, func() {
		BeforeAll(e.serveDomains)

		It("are reached by the first connection after the answer, and others never", func(ctx SpecContext) {
			w := e.newDomainsWorld(ctx)
			w.isAccepted(ctx)
			for name, way := range map[string][]string{
				"the cluster's DNS":          {"--first=0"},
				"a server outside":           {"--first=100000", "--server=" + outsideDNS + ":53"},
				"a server outside over IPv6": {"--first=200000", "--server=[" + outsideDNS6 + "]:53"},
				"the cluster's DNS over TCP": {"--first=300000", "--network=tcp"},
			} {
				By(name)
				count := names / 2
				if strings.Contains(name, "over") {
					count = names / 20
				}
				r := w.resolve(ctx, append(way, "example.com", fmt.Sprint("--count=", count))...)
				Expect(r).To(Equal(prober.Resolved{Connected: 2 * count}))
			}
			r := w.resolve(ctx, "example.org", "--first=500000", "--count=20", "--workers=20", "--timeout=1s")
			Expect(r).To(SatisfyAll(HaveField("Connected", 0), HaveField("Unresolved", 0), HaveField("Failed", 40)))
		}, SpecTimeout(leaseTime+specTimeout))

		It("stay known while agents are deleted and killed, and are forgotten after their time", func(ctx SpecContext) {
			w := e.newDomainsWorld(ctx)
			Expect(w.resolve(ctx, "example.com", "--first=600000")).To(Equal(prober.Resolved{Connected: 2}))
			known := []string{
				"tcp://" + netip.AddrPortFrom(nameAddress(dns.TypeA, 600000), 443).String(),
				"tcp://" + netip.AddrPortFrom(nameAddress(dns.TypeAAAA, 600000), 443).String(),
			}
			e.deleteAgents(ctx)
			w.reaches(ctx, w.from("client"), known...)
			e.killAgents(ctx)
			w.reaches(ctx, w.from("client"), known...)
			Expect(w.resolve(ctx, "example.com", "--first=600001")).To(Equal(prober.Resolved{Connected: 2}))
			By("their time")
			Eventually(func(g Gomega) {
				var results []prober.Result
				g.Expect(w.story.Probe(ctx, w.from("client"), &results, append([]string{"connect"}, known...)...)).To(Succeed())
				g.Expect(results).To(HaveEach(HaveField("Reached", false)))
			}).WithContext(ctx).WithTimeout(leaseTime).WithPolling(5 * time.Second).Should(Succeed())
		}, SpecTimeout(leaseTime+specTimeout))

		It("are not resolved for pods that may not ask", func(ctx SpecContext) {
			w := e.newDomainsWorld(ctx)
			Expect(w.resolve(ctx, "example.com", "--first=700000")).To(Equal(prober.Resolved{Connected: 2}))
			w.apply(ctx, dnsDenied)
			Eventually(func() prober.Resolved {
				return w.resolve(ctx, "example.com", "--first=700001", "--timeout=1s")
			}).WithContext(ctx).WithTimeout(patience).Should(HaveField("Unresolved", 1))
		}, SpecTimeout(specTimeout))

		It("with more addresses than a name may have are told of by the agent of that node", func(ctx SpecContext) {
			w := e.newDomainsWorld(ctx)
			for _, node := range []string{"node1", "node2"} {
				e.agentTells(ctx, node, agent.ConditionDomainNamesWithinBounds, corev1.ConditionTrue, agent.ReasonWithinBounds)
				e.agentTells(ctx, node, agent.ConditionRulesetWithinBounds, corev1.ConditionTrue, agent.ReasonWithinBounds)
			}
			r := w.resolve(ctx, "many.example.com", "--first=800000", "--network=tcp", "--server="+outsideDNS+":53", "--timeout=1s")
			Expect(r).To(HaveField("Unresolved", 1))
			e.agentTells(ctx, "node2", agent.ConditionDomainNamesWithinBounds, corev1.ConditionFalse, agent.ReasonTooManyAddressesPerName)
			e.agentTells(ctx, "node1", agent.ConditionDomainNamesWithinBounds, corev1.ConditionTrue, agent.ReasonWithinBounds)
			e.kubectl(ctx, "-n", "tierwall-system", "wait", "--for=condition=Ready", "--timeout=10s", "pod", "--selector=app.kubernetes.io/component=agent")
		}, SpecTimeout(specTimeout))
	})
}

// serveDomains adds a host outside that is all the addresses of the names, and
// the DNS server that knows them.
func (e *environment) serveDomains(SpecContext) {
	host, err := e.cluster.AddHost(cluster.HostConfig{
		Name:      "names",
		Addresses: []netip.Addr{netip.MustParseAddr(outsideDNS), netip.MustParseAddr(outsideDNS6)},
		Networks:  []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8:1::/48")},
	})
	Expect(err).NotTo(HaveOccurred())
	stop, err := lab.ServeDNS(host, ":53", dns.HandlerFunc(answerName))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(stop)
	stop, err = lab.ServeTCP(host)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(stop)
}

// answerName answers for nNUMBER below any name.
func answerName(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	question := q.Question[0]
	var n int
	if _, err := fmt.Sscanf(strings.ToLower(question.Name), "n%d.", &n); err != nil {
		m.Rcode = dns.RcodeNameError
	}
	header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: 5}
	count := 1
	if strings.Contains(question.Name, ".many.") {
		count = tooMany
	}
	for i := range count {
		switch question.Qtype {
		case dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: nameAddress(dns.TypeA, n+i).AsSlice()})
		case dns.TypeAAAA:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: nameAddress(dns.TypeAAAA, n+i).AsSlice()})
		}
	}
	// Whoever does not get it asks again.
	_ = w.WriteMsg(m)
}

// nameAddress is the address of the name with a number. Those of names that are
// used by different specs differ.
func nameAddress(qtype uint16, n int) netip.Addr {
	return lab.Internet(qtype == dns.TypeAAAA, 1+n/100_000*10_000+n%10_000)
}

// newDomainsWorld makes a pod that may reach names below example.com only.
func (e *environment) newDomainsWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := e.newEmptyWorld(ctx)
	w.create(ctx, w.pod("client", "node2"))
	w.apply(ctx, domainsOnly)
	w.isDenied(ctx, w.from("client"), "tcp://"+netip.AddrPortFrom(nameAddress(dns.TypeA, 900_000), 443).String())
	return w
}

// isAccepted waits until the policy's status says that it is enforced.
func (w *world) isAccepted(ctx context.Context) {
	GinkgoHelper()
	w.kubectl(ctx, "wait", "--for=condition=Accepted", "--timeout=30s", "tcnp/"+w.namespace)
}

// resolve has the pod client resolve names and connect to their addresses.
func (w *world) resolve(ctx context.Context, args ...string) prober.Resolved {
	GinkgoHelper()
	var r prober.Resolved
	Expect(w.story.Probe(ctx, w.from("client"), &r, append([]string{"resolve"}, args...)...)).To(Succeed())
	return r
}
