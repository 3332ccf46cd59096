// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// slimPod is what is left of pod.
func slimPod() *corev1.Pod {
	p := pod()
	p.Annotations, p.ManagedFields, p.Spec.Containers = nil, nil, nil
	return p
}

func TestAListIsPruned(t *testing.T) {
	sent := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}, Items: []corev1.Pod{*pod(), *pod()}}
	from := answer{listType, encode(t, sent)}
	got := &corev1.PodList{}
	if err := newClient(t, Transport(from)).List(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]corev1.Pod{*slimPod(), *slimPod()}, got.Items); diff != "" || got.ResourceVersion != "9" {
		t.Errorf("resource version %s, items %s", got.ResourceVersion, diff)
	}
}

func TestAWatchIsPruned(t *testing.T) {
	from := answer{watchType, framed(t, event(t, watch.Added, encode(t, pod())), event(t, watch.Deleted, encode(t, pod())))}
	w, err := newClient(t, Transport(from)).Watch(t.Context(), &corev1.PodList{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for _, name := range []watch.EventType{watch.Added, watch.Deleted} {
		got := <-w.ResultChan()
		got.Object.(*corev1.Pod).TypeMeta = metav1.TypeMeta{}
		if diff := cmp.Diff(watch.Event{Type: name, Object: slimPod()}, got); diff != "" {
			t.Error(diff)
		}
	}
	if last, more := <-w.ResultChan(); more {
		t.Errorf("there is more: %v", last)
	}
}

func TestPassesUnchanged(t *testing.T) {
	bookmark := pod()
	bookmark.Annotations[metav1.InitialEventsAnnotationKey] = "true"
	for name, from := range map[string]answer{
		"a bookmark, whose annotations reflectors read": {watchType, framed(t, event(t, watch.Bookmark, encode(t, bookmark)))},
		"the status of a watch that failed":             {watchType, framed(t, event(t, watch.Error, encode(t, &metav1.Status{Message: "too old", Code: 410})))},
		"the status of a request that failed":           {listType, encode(t, &metav1.Status{Message: "forbidden", Code: 403})},
		"a single object, which may be written back":    {listType, encode(t, pod())},
		"a kind that nothing is known of":               {listType, encode(t, &corev1.ConfigMap{Data: map[string]string{"a": "b"}})},
		"another type of answer":                        {"application/json", encode(t, pod())},
		"no type":                                       {"", encode(t, pod())},
		"nothing":                                       {listType, nil},
		"no event":                                      {watchType, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, Transport(from)); !bytes.Equal(got, from.body) {
				t.Errorf("got %q, want %q", got, from.body)
			}
		})
	}
}

// TestTheDecoderRefusesWhatItDidBefore is about answers that are no objects.
func TestTheDecoderRefusesWhatItDidBefore(t *testing.T) {
	object := encode(t, pod())
	added := event(t, watch.Added, object)
	list := encode(t, &corev1.PodList{Items: []corev1.Pod{*pod()}})
	tooLong := binary.BigEndian.AppendUint32(nil, maxEvent+1)
	for name, from := range map[string]answer{
		"an event that ends early":         {watchType, framed(t, added)[:100]},
		"a length that ends early":         {watchType, []byte{0, 0}},
		"a length and nothing":             {watchType, []byte{0, 0, 0, 9}},
		"an event that is none":            {watchType, framed(t, []byte{0xff, 0xff})},
		"an empty event":                   {watchType, framed(t, nil)},
		"an event without an object":       {watchType, framed(t, event(t, watch.Added, nil))},
		"an object that is none":           {watchType, framed(t, event(t, watch.Added, []byte("k8s\x00\xff\xff")))},
		"an object that ends early":        {watchType, framed(t, event(t, watch.Added, object[:len(object)-20]))},
		"an object of an unknown encoding": {watchType, framed(t, event(t, watch.Added, object[1:]))},
		"an event of an unknown type":      {watchType, framed(t, event(t, "LOST", object))},
		"an event that is too long":        {watchType, append(tooLong, make([]byte, maxEvent+1)...)},
	} {
		t.Run(name, func(t *testing.T) {
			want := watched(t, whole(from), &corev1.PodList{})
			got := watched(t, Transport(from), &corev1.PodList{})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, body := range map[string][]byte{
		"a list that ends early": list[:len(list)-20],
		"a list that is none":    []byte("k8s\x00\xff\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			from := answer{listType, body}
			want := newClient(t, whole(from)).List(t.Context(), &corev1.PodList{})
			got := newClient(t, Transport(from)).List(t.Context(), &corev1.PodList{})
			if want == nil || got == nil || got.Error() != want.Error() {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
