// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	ourCRD      = "policy.tierwall.io_clusternetworkpolicies.yaml"
	upstreamCRD = "policy.networking.k8s.io_clusternetworkpolicies.yaml"
)

// TestAPI checks the CustomResourceDefinition on a real API server.
func TestAPI(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no directory with kube-apiserver and etcd: run `make test-envtest`")
	}
	RegisterFailHandler(Fail)
	server := &apiServer{}
	BeforeSuite(server.start)
	AfterSuite(server.stop)
	describeValidation(server)
	describeUpstreamManifests(server)
	describeDiscovery(server)
	describeSamples(server)
	RunSpecs(t, "API")
}

// apiServer is an API server with our CustomResourceDefinition and upstream's.
type apiServer struct {
	env    envtest.Environment
	config *rest.Config
	client client.Client
}

func (s *apiServer) start() {
	crds := filepath.Join("..", "..", "config", "crd")
	s.env = envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(crds, "bases", ourCRD), filepath.Join(crds, "upstream", upstreamCRD)},
		ErrorIfCRDPathMissing: true,
	}
	var err error
	s.config, err = s.env.Start()
	Expect(err).NotTo(HaveOccurred())
	s.client, err = client.New(s.config, client.Options{})
	Expect(err).NotTo(HaveOccurred())
}

func (s *apiServer) stop() {
	Expect(s.env.Stop()).To(Succeed())
}

// check has the API server validate an object and store nothing. Unknown fields
// are an error unless prune is set, which drops them as kubectl's
// --validate=false and older clients do.
func (s *apiServer) check(ctx SpecContext, object *unstructured.Unstructured, prune bool) error {
	validation := "Strict"
	if prune {
		validation = "Ignore"
	}
	return s.client.Create(ctx, object.DeepCopy(), client.DryRunAll, client.FieldValidation(validation))
}
