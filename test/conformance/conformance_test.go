// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package conformance runs the conformance suite of module
// sigs.k8s.io/network-policy-api, unchanged, against Tierwall on a test
// cluster: see docs/conformance.md.
package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	report "sigs.k8s.io/network-policy-api/conformance/apis/v1alpha1"
	"sigs.k8s.io/network-policy-api/conformance/tests"
	"sigs.k8s.io/network-policy-api/conformance/utils/config"
	"sigs.k8s.io/network-policy-api/conformance/utils/suite"

	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/story"
)

const (
	clusterName = "conformance"
	repository  = "../.."
	// requestTimeout is how long a client waits before it calls a connection
	// blocked. Upstream's 3 s are for networks slower than namespaces of one
	// machine; most of the suite's time is this wait, twice for every denial.
	requestTimeout = time.Second
)

// run is one pass of the suite over a cluster that Tierwall is installed on.
type run struct {
	name string
	// channel is the release channel of upstream's CustomResourceDefinition;
	// without one the cluster does not have upstream's kind at all.
	channel string
	// client makes the client that the suite writes its policies with.
	client   func(client.WithWatch) client.Client
	features sets.Set[suite.SupportedFeature]
}

// runs are in an order that adds upstream's kind while Tierwall runs, and then
// changes its schema.
func runs() []run {
	unchanged := func(c client.WithWatch) client.Client { return c }
	return []run{
		{name: "tierwall", client: asTierwall, features: suite.AllFeatures},
		{name: "standard", channel: "standard", client: unchanged, features: suite.StandardFeatures},
		{name: "experimental", channel: "experimental", client: unchanged, features: suite.AllFeatures},
	}
}

func TestConformance(t *testing.T) {
	log.SetLogger(logr.Discard())
	for _, family := range []cluster.IPFamily{cluster.IPv4, cluster.IPv6} {
		t.Run(string(family), func(t *testing.T) {
			about := implementation(t)
			c := startCluster(t, family)
			for _, r := range runs() {
				t.Run(r.name, func(t *testing.T) {
					r.test(t, c, about, "conformance-"+string(family)+"-"+r.name)
				})
			}
		})
	}
}

// startCluster starts a cluster with Tierwall on it, as users install it.
func startCluster(t *testing.T, family cluster.IPFamily) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Name: clusterName, IPFamily: family, Progress: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	err = story.Install(t.Context(), story.Config{
		Cluster: c, Repository: repository, Artifacts: artifacts(), Progress: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// artifacts is where `make images` wrote Tierwall's images, and reports go.
func artifacts() string {
	if dir := os.Getenv("TIERWALL_ARTIFACTS"); dir != "" {
		return dir
	}
	return filepath.Join(repository, "_artifacts")
}

// test runs the suite and names what it leaves among the artifacts after file.
func (r run) test(t *testing.T, c *cluster.Cluster, about report.Implementation, file string) {
	t.Cleanup(func() { keepLogs(t, c, file+".log") })
	if r.channel != "" {
		installUpstreamKind(t, c, r.channel)
	}
	s, err := suite.NewConformanceProfileTestSuite(suite.ConformanceProfileOptions{
		Options:             r.options(t, c),
		Implementation:      about,
		ConformanceProfiles: sets.New(suite.CNPConformanceProfileName),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Setup(t)
	if err := s.Run(t, tests.ConformanceTests); err != nil {
		t.Fatal(err)
	}
	writeReport(t, s, file+".yaml")
}

func (r run) options(t *testing.T, c *cluster.Cluster) suite.Options {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(kubescheme.AddToScheme(scheme), upstream.Install(scheme)); err != nil {
		t.Fatal(err)
	}
	kube, err := client.NewWithWatch(c.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	clientSet, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return suite.Options{
		Client:     r.client(kube),
		ClientSet:  clientSet,
		KubeConfig: *c.RESTConfig(),
		// The suite adds to the set that it gets.
		SupportedFeatures: r.features.Clone(),
		TimeoutConfig:     config.TimeoutConfig{RequestTimeout: requestTimeout},
		// The next run uses the same pods, and the cluster goes after the last.
		CleanupBaseResources: false,
	}
}
