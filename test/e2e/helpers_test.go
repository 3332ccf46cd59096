// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ofNamespace begins a policy for all pods of a spec's namespace, which has the
// namespace's name; its rules follow.
const ofNamespace = `
apiVersion: policy.tierwall.io/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: NAMESPACE}
spec:
  tier: Admin
  priority: 500
  subject:
    namespaces: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}`

// withPort puts a number for PORT in a manifest.
func withPort(manifest string, port int) string {
	return strings.ReplaceAll(manifest, "PORT", strconv.Itoa(port))
}

// withTrafficPolicy puts an external traffic policy in a Service's manifest.
func withTrafficPolicy(manifest, policy string) string {
	return strings.ReplaceAll(manifest, "TRAFFICPOLICY", policy)
}

// withAction puts an action in a manifest.
func withAction(manifest, action string) string {
	return strings.ReplaceAll(manifest, "ACTION", action)
}

// podOfLeader is the pod's name in a leader's identity, which is NAME_UUID.
func podOfLeader(identity string) string {
	name, _, _ := strings.Cut(identity, "_")
	return name
}

// reuse has the next pod of a node get the addresses: the node's host-local
// plugin goes on from the addresses that it remembers as the last ones.
func (w *world) reuse(node string, addresses []netip.Addr) {
	GinkgoHelper()
	networks := filepath.Join(filepath.Dir(w.cluster.Kubeconfig()), node, "var-lib", "cni", "networks")
	for i, address := range addresses {
		// The API server forgets a pod before its node has torn it down.
		Eventually(filepath.Glob).WithArguments(filepath.Join(networks, "*", address.String())).WithTimeout(patience).Should(BeEmpty())
		files, err := filepath.Glob(filepath.Join(networks, "*", fmt.Sprintf("last_reserved_ip.%d", i)))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(1))
		Expect(os.WriteFile(files[0], []byte(address.Prev().String()), 0o600)).To(Succeed())
	}
}
