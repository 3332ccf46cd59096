// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// PodFrom returns what policy needs to know of a pod. It returns false for a pod
// that has no address of its own: it is host-networked, has ended (Succeeded or
// Failed), or has not been given one yet.
func PodFrom(o *corev1.Pod) (Pod, bool) {
	if o.Spec.HostNetwork || o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed {
		return Pod{}, false
	}
	pod := Pod{
		Namespace: o.Namespace, Name: o.Name, Labels: labels.Set(o.Labels),
		Node: o.Spec.NodeName, Created: o.CreationTimestamp.Unix(),
	}
	for _, ip := range o.Status.PodIPs {
		pod.Addresses = appendAddress(pod.Addresses, ip.IP)
	}
	if len(pod.Addresses) == 0 {
		pod.Addresses = appendAddress(pod.Addresses, o.Status.PodIP)
	}
	for _, container := range o.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			pod.Ports = appendPorts(pod.Ports, container.Ports)
		}
	}
	for _, container := range o.Spec.Containers {
		pod.Ports = appendPorts(pod.Ports, container.Ports)
	}
	return pod, len(pod.Addresses) > 0
}

// appendPorts appends the ports that have names.
func appendPorts(ports []NamedPort, of []corev1.ContainerPort) []NamedPort {
	for _, p := range of {
		protocol, ok := protocolFrom(p.Protocol)
		if p.Protocol == "" {
			protocol, ok = TCP, true
		}
		if ok && p.Name != "" && p.ContainerPort > 0 && p.ContainerPort <= 65535 {
			ports = append(ports, NamedPort{Name: p.Name, Protocol: protocol, Port: uint16(p.ContainerPort)})
		}
	}
	return ports
}

// NodeFrom returns what policy needs to know of a node. Besides the addresses
// in its status, a node uses the first addresses of its pod CIDRs towards pods:
// the network address is that of a flannel tunnel, the one after it that of a
// bridge or gateway.
func NodeFrom(o *corev1.Node) Node {
	node := Node{Name: o.Name, Labels: labels.Set(o.Labels)}
	for _, a := range o.Status.Addresses {
		node.Addresses = appendAddress(node.Addresses, a.Address)
	}
	cidrs := o.Spec.PodCIDRs
	if len(cidrs) == 0 && o.Spec.PodCIDR != "" {
		cidrs = []string{o.Spec.PodCIDR}
	}
	for _, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			continue
		}
		network := prefix.Masked().Addr()
		node.Addresses = appendAddress(node.Addresses, network.String())
		node.Addresses = appendAddress(node.Addresses, network.Next().String())
	}
	return node
}

// appendAddress appends an address if the text is one (host names are not) and
// it is not there yet.
func appendAddress(addresses []netip.Addr, text string) []netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return addresses
	}
	if a = a.Unmap(); slices.Contains(addresses, a) {
		return addresses
	}
	return append(addresses, a)
}
