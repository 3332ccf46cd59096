// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/test/story"
)

const (
	ownAPI      = "policy.tierwall.io/v1alpha1"
	upstreamAPI = "policy.networking.k8s.io/v1alpha2"
)

func describeUpstream(e *environment) {
	Describe("upstream's ClusterNetworkPolicy", func() {
		It("is enforced once its definition appears, until it disappears", func(ctx SpecContext) {
			w := e.newWorld(ctx)
			http, metrics := w.tcp(ctx, httpPort), w.tcp(ctx, metricsPort)
			w.reaches(ctx, w.from("client"), append(http, metrics...)...)

			e.installUpstream(ctx)
			w.apply(ctx, withPort(asUpstream(denyPort), httpPort))
			w.isDenied(ctx, w.from("client"), http...)
			w.reaches(ctx, w.from("client"), metrics...)
			e.kubectl(ctx, "wait", "--for=condition=Accepted", "--timeout=1m", upstreamResource+"/"+w.namespace)

			By("it is changed")
			policy := w.apply(ctx, withPort(asUpstream(denyPort), metricsPort))
			w.isDenied(ctx, w.from("client"), metrics...)
			w.reaches(ctx, w.from("client"), http...)

			By("it is deleted, and made again")
			w.remove(ctx, policy)
			w.reaches(ctx, w.from("client"), append(http, metrics...)...)
			w.apply(ctx, withPort(asUpstream(denyPort), httpPort))
			w.isDenied(ctx, w.from("client"), http...)

			By("the definition is removed, and all policies with it")
			e.uninstallUpstream(ctx)
			w.reaches(ctx, w.from("client"), append(http, metrics...)...)
		}, SpecTimeout(specTimeout))

		It("decides as the same manifest of Tierwall's kind", func(ctx SpecContext) {
			e.installUpstream(ctx)
			own := e.decisionsOf(ctx, func(manifest string) string { return manifest })
			upstream := e.decisionsOf(ctx, asUpstream)
			Expect(upstream).To(Equal(own))
			Expect(own).NotTo(BeEmpty())
		}, SpecTimeout(specTimeout))
	})
}

const upstreamResource = "clusternetworkpolicies.policy.networking.k8s.io"

func asUpstream(manifest string) string { return strings.ReplaceAll(manifest, ownAPI, upstreamAPI) }

func (e *environment) installUpstream(ctx SpecContext) {
	GinkgoHelper()
	e.kubectl(ctx, "create", "-k", filepath.Join(repository, "config", "crd", "upstream"))
	DeferCleanup(e.uninstallUpstream, NodeTimeout(specTimeout))
	e.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=1m", "crd/"+upstreamResource)
	// On a busy machine the API server tells of a kind, and serves it, some time
	// after it calls the definition established.
	var list unstructured.UnstructuredList
	list.SetAPIVersion(upstreamAPI)
	list.SetKind("ClusterNetworkPolicyList")
	Eventually(e.client.List).WithArguments(ctx, &list).WithTimeout(patience).Should(Succeed())
}

func (e *environment) uninstallUpstream(ctx SpecContext) {
	GinkgoHelper()
	e.kubectl(ctx, "delete", "--ignore-not-found", "-k", filepath.Join(repository, "config", "crd", "upstream"))
}

// sharedSamples are those that have nothing but what upstream has too.
func sharedSamples() []string {
	return []string{"30-deny-dev-to-pci", "40-pass-to-developers", "60-node-ports", "70-cloud-metadata"}
}

// decisionsOf tries the shared samples and returns the rules that each node has
// because of them.
func (e *environment) decisionsOf(ctx SpecContext, convert func(string) string) []string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("testdata", "shared-samples.txt"))
	Expect(err).NotTo(HaveOccurred())
	want, err := story.ParseMatrix(string(text))
	Expect(err).NotTo(HaveOccurred())
	var policies []client.Object
	for _, name := range sharedSamples() {
		manifest, err := os.ReadFile(filepath.Join(repository, "config", "samples", name+".yaml"))
		Expect(err).NotTo(HaveOccurred())
		policies = append(policies, e.apply(ctx, convert(string(manifest))))
	}
	e.becomes(ctx, want)
	counters, err := e.story.Counters()
	Expect(err).NotTo(HaveOccurred())
	var decisions []string
	for chain := range counters {
		decisions = append(decisions, chain.Node+": "+strings.ReplaceAll(chain.Name, "/cnp/", "/tcnp/"))
	}
	for _, policy := range policies {
		e.remove(ctx, policy)
	}
	slices.Sort(decisions)
	return decisions
}
