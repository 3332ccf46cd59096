// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func labels(t *rapid.T) map[string]string {
	set := map[string]string{}
	for _, key := range labelKeys() {
		if value := pick(t, key, append(labelValues(), "absent")...); value != "absent" {
			set[key] = value
		}
	}
	return set
}

func labelKeys() []string   { return []string{"app", "tier", "example.com/zone"} }
func labelValues() []string { return []string{"x", "y", ""} }

func namespace(t *rapid.T, name string) *corev1.Namespace {
	set := labels(t)
	set["kubernetes.io/metadata.name"] = name
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set}}
}

func node(t *rapid.T, name string) *corev1.Node {
	number := slices.Index(nodeNames(), name) + 1
	o := &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels(t)}}
	o.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: name},
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.0.2.%d", number)},
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("2001:db8::%d", number)},
	}
	if chance(t, 30, "external address") {
		o.Status.Addresses = append(o.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "198.51.100.1"})
	}
	if !chance(t, 20, "no pod CIDRs") {
		o.Spec.PodCIDRs = []string{fmt.Sprintf("10.0.%d.0/24", number), fmt.Sprintf("fd00:0:0:%d::/64", number)}
	}
	return o
}

func podNames() []string { return []string{"p0", "p1", "p2"} }

// pod draws a pod of one of the names.
func pod(t *rapid.T) *corev1.Pod {
	o := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	o.Namespace, o.Name = pick(t, "namespace", namespaceNames()...), pick(t, "name", podNames()...)
	o.CreationTimestamp = metav1.Unix(rapid.Int64Range(1, 3).Draw(t, "created"), 0)
	o.Labels = labels(t)
	o.Spec.NodeName = pick(t, "node", LocalNode, LocalNode, LocalNode, "node-b", "node-c")
	o.Spec.HostNetwork = chance(t, 8, "host network")
	o.Spec.Containers = rapid.SliceOfN(rapid.Custom(container), 1, 2).Draw(t, "containers")
	o.Spec.InitContainers = rapid.SliceOfN(rapid.Custom(initContainer), 0, 1).Draw(t, "init containers")
	o.Status.Phase = pick(t, "phase", corev1.PodRunning, corev1.PodRunning, corev1.PodRunning, corev1.PodRunning,
		corev1.PodPending, corev1.PodUnknown, corev1.PodSucceeded, corev1.PodFailed)
	if chance(t, 10, "terminating") {
		deleted := metav1.Unix(4, 0)
		o.DeletionTimestamp = &deleted
	}
	for _, address := range podAddresses(t, o) {
		o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: address.String()})
	}
	if len(o.Status.PodIPs) > 0 {
		o.Status.PodIP = o.Status.PodIPs[0].IP
	}
	return o
}

// podAddresses draws at most one address of each family, mostly of one slot of
// the pod's node.
func podAddresses(t *rapid.T, o *corev1.Pod) []netip.Addr {
	number := slices.Index(nodeNames(), o.Spec.NodeName) + 1
	if o.Spec.HostNetwork {
		return parse(fmt.Sprintf("192.0.2.%d", number), fmt.Sprintf("2001:db8::%d", number))
	}
	if chance(t, 5, "address of another node") {
		number = 1 + number%len(nodeNames())
	}
	pairs := slots(number)
	v4 := rapid.IntRange(0, Slots-1).Draw(t, "slot")
	v6 := v4
	if chance(t, 10, "other slot for IPv6") {
		v6 = rapid.IntRange(0, Slots-1).Draw(t, "slot for IPv6")
	}
	switch pick(t, "families", "dual", "dual", "dual", "dual, IPv6 first", "IPv4", "IPv6", "none") {
	case "dual":
		return []netip.Addr{pairs[v4][0], pairs[v6][1]}
	case "dual, IPv6 first":
		return []netip.Addr{pairs[v6][1], pairs[v4][0]}
	case "IPv4":
		return pairs[v4][:1]
	case "IPv6":
		return pairs[v6][1:]
	default:
		return nil
	}
}

func container(t *rapid.T) corev1.Container {
	return corev1.Container{
		Name:  pick(t, "container", "main", "side"),
		Ports: rapid.SliceOfN(rapid.Custom(containerPort), 0, 3).Draw(t, "ports"),
	}
}

// initContainer draws a sidecar, whose ports count, or one that ends.
func initContainer(t *rapid.T) corev1.Container {
	c := container(t)
	if chance(t, 50, "sidecar") {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
	}
	return c
}

func containerPort(t *rapid.T) corev1.ContainerPort {
	return corev1.ContainerPort{
		Name:          pick(t, "port name", append(portNames(), "")...),
		ContainerPort: pick(t, "port", portNumbers()...),
		Protocol:      pick(t, "protocol", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP, ""),
	}
}
