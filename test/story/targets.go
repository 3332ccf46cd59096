// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/test/cluster"
)

// families is how many targets a destination has: one of IPv4, then one of IPv6.
const families = 2

// destination is a column: what is there, and where to look it up.
type destination struct {
	kind            place
	namespace, name string
	scheme          string
	port            int
}

type place int

const (
	pod place = iota
	service
	node
	host
	apiServer
)

// destinations are the columns of the matrix.
func destinations() map[string]destination {
	return map[string]destination{
		"web:8080":      {pod, "shop", "web", "tcp", 8080},
		"web:9090":      {pod, "shop", "web", "tcp", 9090},
		"web:udp":       {pod, "shop", "web", "udp", 8081},
		"legacy:20000":  {pod, "shop", "legacy", "tcp", 20000},
		"legacy:20099":  {pod, "shop", "legacy", "tcp", 20099},
		"legacy:20100":  {pod, "shop", "legacy", "tcp", 20100},
		"payments:8080": {pod, "pci", "payments", "tcp", 8080},
		"client:8080":   {pod, "dev", "client", "tcp", 8080},
		"scraper:9090":  {pod, "monitoring", "scraper", "tcp", 9090},
		"web:service":   {service, "shop", "web", "tcp", 8080},
		"node1:30080":   {node, "", "node1", "tcp", 30080},
		"API:server":    {apiServer, "default", "kubernetes", "tcp", 443},
		"node1:kubelet": {node, "", "node1", "tcp", 10250},
		"node1:53":      {node, "", "node1", "tcp", 53},
		"node1:udp53":   {node, "", "node1", "udp", 53},
		"cluster:DNS":   {service, "kube-system", "kube-dns", "dns", 53},
		"metadata:80":   {host, "", "metadata", "tcp", 80},
		"outside:80":    {host, "", "outside", "tcp", 80},
	}
}

func (s *Story) findTargets(ctx context.Context, hosts map[string]*cluster.Host) (map[string][]string, error) {
	targets := map[string][]string{}
	for name, d := range destinations() {
		found, err := s.locate(ctx, d, hosts)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		slices.SortFunc(found, func(a, b netip.AddrPort) int { return a.Addr().Compare(b.Addr()) })
		if len(found) != families {
			return nil, fmt.Errorf("find %s: addresses are %v, want one of each family", name, found)
		}
		for _, address := range found {
			targets[name] = append(targets[name], d.scheme+"://"+address.String())
		}
	}
	return targets, nil
}

func (s *Story) locate(ctx context.Context, d destination, hosts map[string]*cluster.Host) ([]netip.AddrPort, error) {
	switch d.kind {
	case pod:
		addresses, err := s.PodAddresses(ctx, d.namespace, d.name)
		return withPort(addresses, d.port), err
	case service:
		addresses, err := s.ServiceAddresses(ctx, d.namespace, d.name)
		return withPort(addresses, d.port), err
	case node:
		addresses, err := s.NodeAddresses(ctx, d.name)
		return withPort(addresses, d.port), err
	case host:
		return withPort(hosts[d.name].Addresses(), d.port), nil
	default:
		return s.locateAPIServer(ctx, d)
	}
}

// locateAPIServer takes the Service for IPv4, and the server itself for IPv6:
// Kubernetes gives this Service one family only.
func (s *Story) locateAPIServer(ctx context.Context, d destination) ([]netip.AddrPort, error) {
	const serverPort = 6443
	addresses, err := s.ServiceAddresses(ctx, d.namespace, d.name)
	found := withPort(addresses, d.port)
	for _, address := range s.cfg.Cluster.ControlPlaneAddresses() {
		if address.Is6() {
			found = append(found, netip.AddrPortFrom(address, serverPort))
		}
	}
	return found, err
}

func withPort(addresses []netip.Addr, port int) []netip.AddrPort {
	found := make([]netip.AddrPort, 0, len(addresses))
	for _, address := range addresses {
		found = append(found, netip.AddrPortFrom(address, uint16(port)))
	}
	return found
}

// PodAddresses are those of a pod, IPv4 first.
func (s *Story) PodAddresses(ctx context.Context, namespace, name string) ([]netip.Addr, error) {
	pod, err := s.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, ip := range pod.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	return parseAddresses(texts)
}

// ServiceAddresses are the cluster addresses of a Service, IPv4 first.
func (s *Story) ServiceAddresses(ctx context.Context, namespace, name string) ([]netip.Addr, error) {
	service, err := s.client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return parseAddresses(service.Spec.ClusterIPs)
}

// NodeAddresses are those of a node, IPv4 first.
func (s *Story) NodeAddresses(ctx context.Context, name string) ([]netip.Addr, error) {
	node, err := s.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			texts = append(texts, address.Address)
		}
	}
	return parseAddresses(texts)
}

func parseAddresses(texts []string) ([]netip.Addr, error) {
	addresses := make([]netip.Addr, 0, len(texts))
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses, nil
}

// Targets names a port at each address as the probe wants it.
func Targets(scheme string, port int, addresses ...netip.Addr) []string {
	targets := make([]string, 0, len(addresses))
	for _, address := range addresses {
		targets = append(targets, scheme+"://"+net.JoinHostPort(address.String(), strconv.Itoa(port)))
	}
	return targets
}
