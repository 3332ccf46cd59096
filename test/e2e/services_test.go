// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// servicePort is not the port of the pods.
	servicePort = 80

	clusterService = `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec:
  ipFamilyPolicy: RequireDualStack
  selector: {app: server}
  ports: [{port: 80, targetPort: 8080}]
`
	headlessService = `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec:
  ipFamilyPolicy: RequireDualStack
  clusterIP: None
  selector: {app: server}
  ports: [{port: 8080}]
`
	nodePortService = `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec:
  type: NodePort
  externalTrafficPolicy: TRAFFICPOLICY
  ipFamilyPolicy: RequireDualStack
  selector: {app: server}
  ports: [{port: 80, targetPort: 8080}]
`
	denyOutside = ofNamespace + `
  ingress:
  - action: Deny
    from: [{networks: [203.0.113.0/24, "2001:db8::/64"]}]
`
	denyNodes = ofNamespace + `
  ingress:
  - action: Deny
    from: [{nodes: {}}]
`
	denyEverything = ofNamespace + `
  ingress:
  - action: Deny
    from: [{networks: [0.0.0.0/0, "::/0"]}]
  egress:
  - action: Deny
    to: [{networks: [0.0.0.0/0, "::/0"]}]
`
)

func describeServices(e *environment) {
	Describe("a connection to a Service", func() {
		It("is matched by the pod and its port, not by the Service's", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			w.apply(ctx, clusterService)
			service := w.service(ctx, "server", servicePort)
			w.reaches(ctx, w.from("client"), service...)
			w.apply(ctx, withPort(denyPort, httpPort))
			w.isDenied(ctx, w.from("client"), service...)
			w.apply(ctx, withPort(denyPort, servicePort))
			w.reaches(ctx, w.from("client"), service...)
		}, SpecTimeout(specTimeout))

		It("without a cluster address is a connection to the pod", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			w.apply(ctx, headlessService)
			service := fmt.Sprintf("tcp://server.%s.svc.cluster.local:%d", w.namespace, httpPort)
			w.reaches(ctx, w.from("client"), service)
			w.apply(ctx, withPort(denyPort, httpPort))
			w.isDenied(ctx, w.from("client"), service)
		}, SpecTimeout(specTimeout))

		It("from the pod itself is not evaluated", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			w.apply(ctx, clusterService)
			service := w.service(ctx, "server", servicePort)
			w.reaches(ctx, w.from("client"), service...)
			w.apply(ctx, denyEverything)
			w.isDenied(ctx, w.from("client"), service...)
			w.reaches(ctx, w.from("server"), append(service, w.tcp(ctx, httpPort)...)...)
		}, SpecTimeout(specTimeout))

		It("from outside, with traffic policy Local, comes from outside", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			port := w.applyNodePort(ctx, "Local")
			atServersNode := e.node(ctx, "node1", port)
			w.apply(ctx, denyNodes)
			w.reaches(ctx, "outside", atServersNode...)
			w.apply(ctx, denyOutside)
			w.isDenied(ctx, "outside", atServersNode...)
		}, SpecTimeout(specTimeout))

		// kube-proxy of the node that was asked gives the packet its own address, if the
		// pod is on another one. The pod's node sees nothing else.
		It("from outside, with traffic policy Cluster, comes from the node that was asked", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			port := w.applyNodePort(ctx, "Cluster")
			atServersNode, atOtherNode := e.node(ctx, "node1", port), e.node(ctx, "node2", port)
			w.reaches(ctx, "outside", append(atServersNode, atOtherNode...)...)
			w.apply(ctx, denyOutside)
			w.isDenied(ctx, "outside", atServersNode...)
			w.reaches(ctx, "outside", atOtherNode...)
			w.apply(ctx, denyNodes)
			w.isDenied(ctx, "outside", atOtherNode...)
			w.reaches(ctx, "outside", atServersNode...)
		}, SpecTimeout(specTimeout))
	})

	Describe("the kubelet's probes", func() {
		It("pass although everything is denied", func(ctx SpecContext) {
			w := e.newEmptyWorld(ctx)
			w.apply(ctx, denyEverything)
			w.create(ctx, w.pod("server", "node1"), w.pod("client", "node2"))
			w.isDenied(ctx, w.from("client"), w.tcp(ctx, httpPort)...)
			e.isDenied(ctx, "outside", w.tcp(ctx, httpPort)...)
		}, SpecTimeout(specTimeout))
	})
}

// applyNodePort makes the Service and returns its port on the nodes.
func (w *world) applyNodePort(ctx SpecContext, trafficPolicy string) int {
	GinkgoHelper()
	w.apply(ctx, withTrafficPolicy(nodePortService, trafficPolicy))
	var service corev1.Service
	Expect(w.client.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "server"}, &service)).To(Succeed())
	return int(service.Spec.Ports[0].NodePort)
}
