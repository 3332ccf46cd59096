// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"bytes"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// BenchmarkWatch is what it costs to receive a pod: from the response's body to
// the object.
func BenchmarkWatch(b *testing.B) {
	one := framed(b, event(b, watch.Added, encode(b, fakecluster.Pod(0, 1))))
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{"whole": whole, "slim": Transport} {
		b.Run("transport="+name, func(b *testing.B) {
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			w, err := newClient(b, wrap(answer{watchType, bytes.Repeat(one, b.N)})).Watch(b.Context(), &corev1.PodList{})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Stop()
			b.ResetTimer()
			for range b.N {
				if e := <-w.ResultChan(); e.Type != watch.Added {
					b.Fatal(e)
				}
			}
		})
	}
}
