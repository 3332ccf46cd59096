// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/discovery"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

func describeSamples(server *apiServer) {
	Describe("The samples", func() {
		It("are valid", func(ctx SpecContext) {
			files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "*.yaml"))
			Expect(err).NotTo(HaveOccurred())
			checked := 0
			for _, file := range files {
				content, err := os.ReadFile(file)
				Expect(err).NotTo(HaveOccurred())
				policies, err := readPolicies(content, v1alpha1.GroupVersion.String())
				Expect(err).NotTo(HaveOccurred(), file)
				for _, policy := range policies {
					Expect(server.check(ctx, policy, false)).To(Succeed(), file)
					checked++
				}
			}
			Expect(checked).To(BeNumerically(">", 0))
		})
	})
}

func describeDiscovery(server *apiServer) {
	It("is found as tcnp and among the policies", func() {
		client, err := discovery.NewDiscoveryClientForConfig(server.config)
		Expect(err).NotTo(HaveOccurred())
		resources, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())
		Expect(resources.APIResources).To(ContainElement(And(
			HaveField("Name", "clusternetworkpolicies"),
			HaveField("Namespaced", false),
			HaveField("ShortNames", ConsistOf("tcnp")),
			HaveField("Categories", ConsistOf("policies")),
		)))
	})
}
