// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The policies of these specs have the namespace's name, so that they can be told
// apart.
const (
	denyBannedPods = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE}
spec:
  tier: Admin
  priority: 500
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
      podSelector: {matchLabels: {app: server}}
  ingress:
  - name: banned
    action: Deny
    from:
    - pods: {podSelector: {matchLabels: {banned: "yes"}}}
`
	denyBannedNamespaces = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE}
spec:
  tier: Admin
  priority: 500
  subject:
    namespaces: {matchLabels: {guarded: NAMESPACE}}
  ingress:
  - name: banned
    action: Deny
    from:
    - namespaces: {matchLabels: {banned: "yes"}}
`
	denyPodsOfBannedNodes = ofNamespace + `
  ingress:
  - name: banned
    action: Deny
    from:
    - pods: {podSelector: {}, nodeSelector: {matchLabels: {banned: "yes"}}}
  egress:
  - name: closed
    action: Deny
    to:
    - nodes: {matchLabels: {closed: "yes"}}
`
	denyPort = ofNamespace + `
  ingress:
  - action: Deny
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {number: PORT}}}]
`
	acceptPort = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAMESPACE, namespace: NAMESPACE}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: PORT}]
`
)

func describeInputs(e *environment) {
	Describe("a change while running", func() {
		It("of a pod's labels takes effect on peers and on subjects", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			server := append(w.tcp(ctx, httpPort), w.udp(ctx)...)
			w.apply(ctx, denyBannedPods)
			w.reaches(ctx, w.from("client"), server...)
			e.kubectl(ctx, "-n", w.namespace, "label", "pod", "client", "banned=yes")
			w.isDenied(ctx, w.from("client"), server...)
			e.kubectl(ctx, "-n", w.namespace, "label", "pod", "server", "app=other", "--overwrite")
			w.reaches(ctx, w.from("client"), server...)
			e.kubectl(ctx, "-n", w.namespace, "label", "pod", "server", "app=server", "--overwrite")
			w.isDenied(ctx, w.from("client"), server...)
			e.kubectl(ctx, "-n", w.namespace, "label", "pod", "client", "banned-")
			w.reaches(ctx, w.from("client"), server...)
		}, SpecTimeout(specTimeout))

		It("of a namespace's labels takes effect on peers and on subjects", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			server := w.tcp(ctx, httpPort)
			w.apply(ctx, denyBannedNamespaces)
			w.reaches(ctx, w.from("client"), server...)
			e.kubectl(ctx, "label", "namespace", w.namespace, "banned=yes", "guarded="+w.namespace)
			w.isDenied(ctx, w.from("client"), server...)
			e.kubectl(ctx, "label", "namespace", w.namespace, "banned-")
			w.reaches(ctx, w.from("client"), server...)
			e.kubectl(ctx, "label", "namespace", w.namespace, "banned=yes")
			w.isDenied(ctx, w.from("client"), server...)
			e.kubectl(ctx, "label", "namespace", w.namespace, "guarded-")
			w.reaches(ctx, w.from("client"), server...)
		}, SpecTimeout(specTimeout))

		It("of a node's labels takes effect on the pods there and on the node", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			server, dns := w.tcp(ctx, httpPort), e.node(ctx, "node1", 53)
			w.apply(ctx, denyPodsOfBannedNodes)
			DeferCleanup(func(ctx SpecContext) { e.kubectl(ctx, "label", "node", "--all", "banned-", "closed-") }, NodeTimeout(specTimeout))
			w.reaches(ctx, w.from("client"), append(server, dns...)...)
			e.kubectl(ctx, "label", "node", "node2", "banned=yes")
			w.isDenied(ctx, w.from("client"), server...)
			w.reaches(ctx, w.from("client"), dns...)
			e.kubectl(ctx, "label", "node", "node1", "closed=yes")
			w.isDenied(ctx, w.from("client"), dns...)
			e.kubectl(ctx, "label", "node", "--all", "banned-", "closed-")
			w.reaches(ctx, w.from("client"), append(server, dns...)...)
		}, SpecTimeout(specTimeout))

		It("of pods follows who has an address now", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			server := w.tcp(ctx, httpPort)
			w.apply(ctx, denyBannedPods)
			banned := w.pod("first", "node2")
			banned.Labels["banned"] = "yes"
			w.create(ctx, banned)
			w.isDenied(ctx, w.from("first"), server...)

			By("a good pod takes over the address of a banned one")
			addresses := w.addresses(ctx, "first")
			w.delete(ctx, "first")
			w.reuse("node2", addresses)
			w.create(ctx, w.pod("second", "node2"))
			Expect(w.addresses(ctx, "second")).To(Equal(addresses))
			w.reaches(ctx, w.from("second"), server...)

			By("a banned pod takes over the address of a good one")
			w.delete(ctx, "second")
			w.reuse("node2", addresses)
			banned = w.pod("third", "node2")
			banned.Labels["banned"] = "yes"
			w.create(ctx, banned)
			Expect(w.addresses(ctx, "third")).To(Equal(addresses))
			w.isDenied(ctx, w.from("third"), server...)
		}, SpecTimeout(specTimeout))

		It("of a ClusterNetworkPolicy takes effect", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			http, metrics := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort)
			w.apply(ctx, withPort(denyPort, httpPort))
			w.isDenied(ctx, w.from("client"), http...)
			w.reaches(ctx, w.from("client"), metrics...)
			policy := w.apply(ctx, withPort(denyPort, metricsPort))
			w.isDenied(ctx, w.from("client"), metrics...)
			w.reaches(ctx, w.from("client"), http...)
			w.remove(ctx, policy)
			w.reaches(ctx, w.from("client"), append(http, metrics...)...)
		}, SpecTimeout(specTimeout))

		It("of a NetworkPolicy takes effect", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			http, metrics := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort)
			w.apply(ctx, withPort(acceptPort, httpPort))
			w.isDenied(ctx, w.from("client"), metrics...)
			w.reaches(ctx, w.from("client"), http...)
			policy := w.apply(ctx, withPort(acceptPort, metricsPort))
			w.isDenied(ctx, w.from("client"), http...)
			w.reaches(ctx, w.from("client"), metrics...)
			w.remove(ctx, policy)
			w.reaches(ctx, w.from("client"), append(http, metrics...)...)
		}, SpecTimeout(specTimeout))
	})
}
