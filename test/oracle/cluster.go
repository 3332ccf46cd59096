// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// Cluster is the state of a cluster as its API server has it, and what its DNS
// said.
type Cluster struct {
	Namespaces      []*corev1.Namespace
	Nodes           []*corev1.Node
	Pods            []*corev1.Pod
	NetworkPolicies []*networkingv1.NetworkPolicy
	Upstream        []*upstream.ClusterNetworkPolicy
	Tierwall        []*v1alpha1.ClusterNetworkPolicy
	// Learned are the addresses that DNS gave for names.
	Learned map[string][]netip.Addr
}

// PodAddresses returns the addresses that a pod has of its own: none if it uses
// its node's or has ended.
func PodAddresses(pod *corev1.Pod) []netip.Addr {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if pod.Spec.HostNetwork || ended {
		return nil
	}
	var addresses []netip.Addr
	for _, ip := range pod.Status.PodIPs {
		addresses = append(addresses, netip.MustParseAddr(ip.IP))
	}
	return addresses
}

// NodeAddresses returns the addresses that a node's own traffic to pods can
// come from: those of its status and the first two of each of its pod CIDRs.
func NodeAddresses(node *corev1.Node) []netip.Addr {
	var addresses []netip.Addr
	for _, a := range node.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil {
			addresses = append(addresses, ip)
		}
	}
	for _, cidr := range node.Spec.PodCIDRs {
		first := netip.MustParsePrefix(cidr).Masked().Addr()
		addresses = append(addresses, first, first.Next())
	}
	return addresses
}

// owners returns the pod that has each address. Of several pods that claim one
// the youngest has it: the others are not gone from the API server yet.
func (c *Cluster) owners() map[netip.Addr]*corev1.Pod {
	owners := map[netip.Addr]*corev1.Pod{}
	for _, pod := range c.Pods {
		for _, address := range PodAddresses(pod) {
			if owner := owners[address]; owner == nil || younger(pod, owner) {
				owners[address] = pod
			}
		}
	}
	return owners
}

// younger reports whether a was created after b; of equally old ones the first by
// namespace and name counts as the younger.
func younger(a, b *corev1.Pod) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	}
	if a.Namespace != b.Namespace {
		return a.Namespace < b.Namespace
	}
	return a.Name < b.Name
}

// node returns the node of that name, or nil.
func (c *Cluster) node(name string) *corev1.Node {
	for _, node := range c.Nodes {
		if node.Name == name {
			return node
		}
	}
	return nil
}

// namespaceLabels returns the labels of a namespace; none if it is unknown.
func (c *Cluster) namespaceLabels(name string) map[string]string {
	for _, ns := range c.Namespaces {
		if ns.Name == name {
			return ns.Labels
		}
	}
	return nil
}

// isNode reports whether a node that the selector matches has the address.
func (o *Oracle) isNode(address netip.Addr, selector *metav1.LabelSelector) bool {
	return slices.ContainsFunc(o.cluster.Nodes, func(node *corev1.Node) bool {
		return slices.Contains(o.nodes[node.Name], address) && matches(selector, node.Labels)
	})
}

// hasPort reports whether a container of the pod, or one of its sidecars,
// has a port of that name with that number and protocol.
func hasPort(pod *corev1.Pod, name string, protocol Protocol, number uint16) bool {
	if pod == nil {
		return false
	}
	containers := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	return slices.ContainsFunc(containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
			return p.Name == name && p.ContainerPort == int32(number) && protocolIs(&p.Protocol, protocol)
		})
	})
}
