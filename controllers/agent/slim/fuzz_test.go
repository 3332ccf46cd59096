// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/tierwall/tierwall/ruleset"
)

// FuzzEvent sends events of any bytes: a pod that the decoder takes means the
// same to the agent when it is pruned.
func FuzzEvent(f *testing.F) {
	for _, name := range []watch.EventType{watch.Added, watch.Bookmark} {
		f.Add(event(f, name, encode(f, pod())))
	}
	p := newPruner()
	f.Fuzz(func(t *testing.T, sent []byte) {
		pruned, ok := p.event(nil, sent)
		want := podIn(sent)
		if !ok || want == nil {
			return
		}
		got := podIn(pruned)
		if got == nil {
			t.Fatalf("the decoder takes %x, and not %x that is left of it", sent, pruned)
		}
		gotPod, gotOK := ruleset.PodFrom(got)
		wantPod, wantOK := ruleset.PodFrom(want)
		if gotOK != wantOK || !reflect.DeepEqual(gotPod, wantPod) || got.ResourceVersion != want.ResourceVersion {
			t.Fatalf("got %#v, want %#v", gotPod, wantPod)
		}
	})
}

// podIn returns the pod of an event; nil if there is none.
func podIn(sent []byte) *corev1.Pod {
	var e metav1.WatchEvent
	if e.Unmarshal(sent) != nil {
		return nil
	}
	o, _, err := codec().Decode(e.Object.Raw, nil, nil)
	if p, ok := o.(*corev1.Pod); ok && err == nil {
		return p
	}
	return nil
}
