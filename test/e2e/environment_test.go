// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/story"
	"github.com/tierwall/tierwall/test/story/prober"
)

const (
	clusterName = "e2e"
	// repository is where config/ is, seen from this package.
	repository = "../.."
	// patience bounds how long a spec waits for a change to take effect.
	patience = 30 * time.Second
)

// environment is the cluster with Tierwall and the story on it.
type environment struct {
	cluster *cluster.Cluster
	story   *story.Story
	client  client.Client
}

func (e *environment) start(ctx SpecContext) {
	artifacts := os.Getenv("TIERWALL_ARTIFACTS")
	Expect(artifacts).NotTo(BeEmpty(), "TIERWALL_ARTIFACTS names the directory with the images: run `make e2e`")
	progress := func(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }
	var err error
	e.cluster, err = cluster.Start(ctx, cluster.Config{Name: clusterName, Nodes: 2, DNSUpstreams: domainServers(), Progress: progress})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(cluster.Cleanup(ctx, clusterName)).To(Succeed()) }, NodeTimeout(specTimeout))

	cfg := story.Config{Cluster: e.cluster, Repository: repository, Artifacts: artifacts, Progress: progress}
	Expect(story.Install(ctx, cfg)).To(Succeed())
	e.story, err = story.Deploy(ctx, cfg)
	Expect(err).NotTo(HaveOccurred())
	e.client, err = client.New(e.cluster.RESTConfig(), client.Options{Scheme: scheme.Scheme})
	Expect(err).NotTo(HaveOccurred())
}

// kubectl runs kubectl and returns what it says.
func (e *environment) kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := e.cluster.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// apply makes or changes the object of a manifest; the spec's end deletes it.
func (e *environment) apply(ctx context.Context, manifest string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	Expect(yaml.UnmarshalStrict([]byte(manifest), &object.Object)).To(Succeed(), manifest)
	err := e.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("e2e"), client.ForceOwnership)
	Expect(err).NotTo(HaveOccurred(), manifest)
	DeferCleanup(func(ctx SpecContext) { e.remove(ctx, object) }, NodeTimeout(specTimeout))
	return object
}

// remove deletes an object, if it is still there.
func (e *environment) remove(ctx context.Context, object client.Object) {
	GinkgoHelper()
	err := e.client.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground))
	Expect(client.IgnoreNotFound(err)).To(Succeed())
}

// reaches waits until every connection is made.
func (e *environment) reaches(ctx context.Context, from string, targets ...string) {
	GinkgoHelper()
	e.settles(ctx, from, true, targets)
}

// isDenied waits until no connection is made.
func (e *environment) isDenied(ctx context.Context, from string, targets ...string) {
	GinkgoHelper()
	e.settles(ctx, from, false, targets)
}

func (e *environment) settles(ctx context.Context, from string, reached bool, targets []string) {
	GinkgoHelper()
	Expect(targets).NotTo(BeEmpty())
	Eventually(func(g Gomega) {
		var results []prober.Result
		g.Expect(e.story.Probe(ctx, from, &results, append([]string{"connect"}, targets...)...)).To(Succeed())
		for _, r := range results {
			g.Expect(r.Reached).To(Equal(reached), "%s -> %s: reached is %t: %s", from, r.Target, r.Reached, r.Error)
		}
	}).WithContext(ctx).WithTimeout(patience).WithPolling(200 * time.Millisecond).Should(Succeed())
}

// dumpIfFailed shows what one needs to find out why a spec failed.
func (e *environment) dumpIfFailed(ctx SpecContext) {
	if !CurrentSpecReport().Failed() || e.cluster == nil {
		return
	}
	for _, command := range [][]string{
		{"get", "pods,services,networkpolicies", "--all-namespaces", "--output=wide"},
		{"get", "tcnp", "--output=yaml"},
		{"-n", "tierwall-system", "logs", "--selector=app.kubernetes.io/name=tierwall", "--prefix", "--tail=100"},
	} {
		out, err := e.cluster.Kubectl(ctx, command...)
		GinkgoWriter.Printf("--- kubectl %v (error: %v)\n%s\n", command, err, out)
	}
	for _, node := range e.cluster.Nodes() {
		out, err := e.nft(ctx, node, "list", "table", "inet", "tierwall")
		GinkgoWriter.Printf("--- %s: nft list table inet tierwall (error: %v)\n%s\n", node, err, out)
	}
}
