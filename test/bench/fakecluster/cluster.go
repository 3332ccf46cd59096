// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fakecluster gives benchmarks and simulations a real API server with as
// many nodes and pods as they want, none of which exist: objects are written
// into etcd as the API server would write them, which is many times as fast as
// creating them one by one.
//
// It needs KUBEBUILDER_ASSETS to name a directory with kube-apiserver and etcd,
// and to run in the root of the source tree. Both servers listen on loopback
// only; run it in a network namespace of its own (netnstest.Isolate).
package fakecluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// Cluster is an API server and its etcd, with Tierwall's and upstream's
// CustomResourceDefinitions.
type Cluster struct {
	// REST is an administrator's way to the API server, without a limit of rate.
	REST *rest.Config
	// Client is an administrator's client for all kinds that matter here.
	Client client.Client
	// Kubeconfig is the path of a file that leads to the API server; it goes
	// when the cluster stops.
	Kubeconfig string

	dir  string
	env  envtest.Environment
	etcd *clientv3.Client
}

// Start starts the servers.
func Start() (*Cluster, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS names no directory with kube-apiserver and etcd: use the make targets, which set it")
	}
	c := &Cluster{}
	if err := c.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a cluster of pods that do not exist: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Cluster) start() error {
	c.env = envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("config", "crd", "bases"), filepath.Join("config", "crd", "upstream", "policy.networking.k8s.io_clusternetworkpolicies.yaml")},
		ErrorIfCRDPathMissing: true,
	}
	// It would look for a default route to have an address, which a namespace of
	// its own has none of; nobody uses this one.
	c.env.ControlPlane.GetAPIServer().Configure().Set("advertise-address", "192.0.2.1")
	var err error
	if c.REST, err = c.env.Start(); err != nil {
		return err
	}
	c.REST.QPS = -1
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	if c.Client, err = client.New(c.REST, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	if c.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{c.env.ControlPlane.Etcd.URL.String()}}); err != nil {
		return fmt.Errorf("create client of etcd: %w", err)
	}
	if c.dir, err = os.MkdirTemp("", "tierwall-bench-"); err != nil {
		return err
	}
	c.Kubeconfig = filepath.Join(c.dir, "kubeconfig")
	return os.WriteFile(c.Kubeconfig, c.env.KubeConfig, 0o600)
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, npav1alpha2.Install, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register API kinds: %w", err)
		}
	}
	return scheme, nil
}

// Stop stops the servers and removes all they wrote.
func (c *Cluster) Stop() error {
	var errs []error
	if c.etcd != nil {
		errs = append(errs, c.etcd.Close())
	}
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(append(errs, c.env.Stop())...)
}
