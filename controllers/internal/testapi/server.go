// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testapi gives tests of controllers a real API server, with Tierwall's
// CustomResourceDefinition, and with upstream's when a test wants it.
package testapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
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
	s.env = envtest.Environment{CRDDirectoryPaths: []string{filepath.Join(config(), "crd", "bases")}, ErrorIfCRDPathMissing: true}
	var err error
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
	return s.installRBAC()
}

// installRBAC creates what config/rbac holds.
func (s *Server) installRBAC() error {
	files, err := filepath.Glob(filepath.Join(config(), "rbac", "*.yaml"))
	if err != nil {
		return err
	}
	var objects []client.Object
	for _, name := range files {
		more, err := readObjects(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, more...)
	}
	// Namespaces come before what is in them.
	slices.SortStableFunc(objects, func(a, b client.Object) int { return cmp.Compare(a.GetNamespace(), b.GetNamespace()) })
	for _, o := range objects {
		if err := s.Client.Create(context.Background(), o); err != nil {
			return fmt.Errorf("creating %s: %w", o.GetName(), err)
		}
	}
	return nil
}

// readObjects reads the Kubernetes objects of a file; a Kustomization is none.
func readObjects(name string) ([]client.Object, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var objects []client.Object
	for decoder := yaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(o)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if o.GetKind() != "Kustomization" {
			objects = append(objects, o)
		}
	}
}

// As returns the way to the server of a service account in namespace
// tierwall-system, which may do what config/rbac lets it do and no more.
func (s *Server) As(serviceAccount string) (*rest.Config, error) {
	user, err := s.env.AddUser(envtest.User{
		Name:   "system:serviceaccount:tierwall-system:" + serviceAccount,
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}, s.Config)
	if err != nil {
		return nil, fmt.Errorf("adding service account %s: %w", serviceAccount, err)
	}
	return user.Config(), nil
}

// AsPod returns the way to the server that a pod has with its token, as its
// service account.
func (s *Server) AsPod(ctx context.Context, pod *corev1.Pod) (*rest.Config, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if err := s.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("requesting a token for pod %s: %w", pod.Name, err)
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = request.Status.Token
	return config, nil
}

// Stop stops the server.
func (s *Server) Stop() error { return s.env.Stop() }

// InstallUpstream installs upstream's CustomResourceDefinition and waits until
// it is served.
func (s *Server) InstallUpstream(context.Context) error {
	crd := filepath.Join(config(), "crd", "upstream", "policy.networking.k8s.io_clusternetworkpolicies.yaml")
	_, err := envtest.InstallCRDs(s.Config, envtest.CRDInstallOptions{Paths: []string{crd}, ErrorIfPathMissing: true})
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

// config returns where directory config is in the source tree.
func config() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "config")
}
