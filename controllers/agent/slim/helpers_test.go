// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/framer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tierwall/tierwall/controllers/internal/kube"
)

// The types of answers that an API server gives.
const (
	listType  = "application/vnd.kubernetes.protobuf"
	watchType = "application/vnd.kubernetes.protobuf;stream=watch"
)

// whole is a transport that drops nothing.
func whole(next http.RoundTripper) http.RoundTripper { return next }

// answer is a transport to an API server that says one thing only.
type answer struct {
	contentType string
	body        []byte
}

// RoundTrip implements http.RoundTripper.
func (a answer) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Request: request, Header: http.Header{"Content-Type": {a.contentType}},
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// newClient returns a client as the agent has it.
func newClient(t testing.TB, transport http.RoundTripper) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(&rest.Config{}, client.Options{Scheme: scheme.Scheme, Mapper: kube.NewMapper(), HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watched returns what a client that watches receives first.
func watched(t testing.TB, transport http.RoundTripper, list client.ObjectList) watch.Event {
	t.Helper()
	w, err := newClient(t, transport).Watch(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	return <-w.ResultChan()
}

// codec encodes objects as the API server does, and decodes them as the client
// does.
func codec() runtime.Serializer { return protobuf.NewSerializer(scheme.Scheme, scheme.Scheme) }

// encode returns an object as the API server sends it.
func encode(t testing.TB, object runtime.Object) []byte {
	t.Helper()
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		t.Fatal(err)
	}
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	var b bytes.Buffer
	if err := codec().Encode(object, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// event returns an event of a watch, without its length before it.
func event(t testing.TB, name watch.EventType, object []byte) []byte {
	t.Helper()
	e := metav1.WatchEvent{Type: string(name), Object: runtime.RawExtension{Raw: object}}
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// framed returns events as they come in a watch.
func framed(t testing.TB, events ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		if _, err := framer.NewLengthDelimitedFrameWriter(&b).Write(e); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// read returns all that a client gets of an answer.
func read(t testing.TB, transport http.RoundTripper) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", ResourceVersion: "7", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "long"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
		Spec:   corev1.PodSpec{NodeName: "here", Containers: []corev1.Container{{Name: "main", Image: "web"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}},
	}
}
