// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/story"
)

// The ports of every pod.
const (
	httpPort    = 8080
	metricsPort = 9090
	udpPort     = 8081
)

// world is a namespace of one spec, with pods in it.
type world struct {
	*environment
	namespace string
}

// newWorld makes a namespace with the pods "server" on node1 and "client" on
// node2.
func (e *environment) newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := e.newEmptyWorld(ctx)
	w.create(ctx, w.pod("server", "node1"), w.pod("client", "node2"))
	return w
}

func (e *environment) newEmptyWorld(ctx context.Context) *world {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	Expect(e.client.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { e.remove(ctx, namespace) }, NodeTimeout(specTimeout))
	// Without its service account a pod is refused.
	e.kubectl(ctx, "-n", namespace.Name, "wait", "--for=create", "--timeout=1m", "serviceaccount/default")
	return &world{environment: e, namespace: namespace.Name}
}

// pod describes a pod that serves on all ports and has the probe. It has the
// label app=NAME.
func (w *world) pod(name, node string) *corev1.Pod {
	atOnce := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			NodeName:                      node,
			TerminationGracePeriodSeconds: &atOnce,
			Containers: []corev1.Container{
				{
					Name: "agnhost", Image: cluster.AgnhostImage, Args: []string{"porter"},
					Env: []corev1.EnvVar{
						{Name: "SERVE_PORT_8080", Value: name},
						{Name: "SERVE_PORT_9090", Value: name},
						{Name: "SERVE_UDP_PORT_8081", Value: name},
					},
					ReadinessProbe: &corev1.Probe{
						PeriodSeconds: 1,
						ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(httpPort)}},
					},
				},
				{Name: "probe", Image: "tierwall/probe:dev", Args: []string{"wait"}},
			},
		},
	}
}

// create makes pods and waits until they are ready.
func (w *world) create(ctx context.Context, pods ...*corev1.Pod) {
	GinkgoHelper()
	for _, pod := range pods {
		Expect(w.client.Create(ctx, pod)).To(Succeed())
	}
	for _, pod := range pods {
		w.kubectl(ctx, "-n", w.namespace, "wait", "--for=condition=Ready", "--timeout=1m", "pod/"+pod.Name)
	}
}

// delete removes a pod and waits until the API server has forgotten it.
func (w *world) delete(ctx context.Context, name string) {
	GinkgoHelper()
	w.kubectl(ctx, "-n", w.namespace, "delete", "pod", name, "--wait", "--timeout=1m")
}

// from names a pod as a source of connections.
func (w *world) from(pod string) string { return w.namespace + "/" + pod }

// apply is the environment's, and puts the namespace's name for NAMESPACE.
func (w *world) apply(ctx context.Context, manifest string) client.Object {
	GinkgoHelper()
	return w.environment.apply(ctx, strings.ReplaceAll(manifest, "NAMESPACE", w.namespace))
}

func (w *world) addresses(ctx context.Context, pod string) []netip.Addr {
	GinkgoHelper()
	addresses, err := w.story.PodAddresses(ctx, w.namespace, pod)
	Expect(err).NotTo(HaveOccurred())
	Expect(addresses).To(HaveLen(2), "a pod has an address of each family")
	return addresses
}

// tcp names a port of the server as targets, one of each family.
func (w *world) tcp(ctx context.Context, port int) []string {
	GinkgoHelper()
	return story.Targets("tcp", port, w.addresses(ctx, "server")...)
}

// udp names the server's UDP port as targets, one of each family.
func (w *world) udp(ctx context.Context) []string {
	GinkgoHelper()
	return story.Targets("udp", udpPort, w.addresses(ctx, "server")...)
}

// node names a port of a node as targets, one of each family.
func (e *environment) node(ctx context.Context, name string, port int) []string {
	GinkgoHelper()
	addresses, err := e.story.NodeAddresses(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	return story.Targets("tcp", port, addresses...)
}

// service names a port of a Service as targets, one of each family.
func (w *world) service(ctx context.Context, name string, port int) []string {
	GinkgoHelper()
	addresses, err := w.story.ServiceAddresses(ctx, w.namespace, name)
	Expect(err).NotTo(HaveOccurred())
	Expect(addresses).To(HaveLen(2), "the Service has an address of each family")
	return story.Targets("tcp", port, addresses...)
}

// nft runs nft on a node as a person would, and returns what it says.
func (e *environment) nft(ctx context.Context, node string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "nft", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := e.cluster.InNode(node, cmd.Start); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return out.String(), err
}
