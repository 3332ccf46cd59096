// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testapi gives tests of controllers a real API server, with Tierwall's
// CustomResourceDefinition, and with upstream's when a test wants it.
package testapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tierwall/tierwall/controllers/internal/kube"
)

// Server is an API server without any controller but those that a test runs.
type Server struct {
	// Config is an administrator's way to the server.
	Config *rest.Config
	// Client is an administrator's client for every kind Tierwall knows.
	Client client.Client

	env envtest.Environment
}

// RequireAssets skips the test if there is no API server to run.
func RequireAssets(t *testing.T) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no directory with kube-apiserver and etcd: run `make test-envtest`")
	}
}

// Start starts the server.
func (s *Server) Start() error {
	crd, err := crdPath("bases")
	if err != nil {
		return err
	}
	s.env = envtest.Environment{CRDDirectoryPaths: []string{crd}, ErrorIfCRDPathMissing: true}
	if s.Config, err = s.env.Start(); err != nil {
		return fmt.Errorf("starting the API server: %w", err)
	}
	s.Config.QPS = -1
	scheme, err := kube.NewScheme()
	if err != nil {
		return err
	}
	if s.Client, err = client.New(s.Config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("creating a client: %w", err)
	}
	return nil
}

// Stop stops the server.
func (s *Server) Stop() error { return s.env.Stop() }

// InstallUpstream installs upstream's CustomResourceDefinition and waits until
// it is served.
func (s *Server) InstallUpstream(context.Context) error {
	crd, err := crdPath(filepath.Join("upstream", "policy.networking.k8s.io_clusternetworkpolicies.yaml"))
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(s.Config, envtest.CRDInstallOptions{Paths: []string{crd}, ErrorIfPathMissing: true})
	return err
}

// RemoveUpstream removes upstream's CustomResourceDefinition with all objects of
// it, and waits until it is gone.
func (s *Server) RemoveUpstream(ctx context.Context) error {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: kube.UpstreamCRD}}
	if err := s.Client.Delete(ctx, crd); client.IgnoreNotFound(err) != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// CreatePod creates a pod and gives it addresses, as a kubelet would.
func (s *Server) CreatePod(ctx context.Context, pod *corev1.Pod, addresses ...string) error {
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "main", Image: "none"})
	if err := s.Client.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	for _, a := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a})
	}
	pod.Status.PodIP = addresses[0]
	return s.Client.Status().Update(ctx, pod)
}

// crdPath returns where a CustomResourceDefinition is in the source tree.
func crdPath(name string) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("this program does not know where its source is")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "config", "crd", name), nil
}
