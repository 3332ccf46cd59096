// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package fakecluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	npav1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

// putsPerTransaction is how many objects are written at once; etcd allows 128
// operations in a transaction.
const putsPerTransaction = 100

// Size is how much a cluster has.
type Size struct {
	Pods, Policies int
}

// Fill writes a cluster's namespaces, nodes, pods and policies.
func (c *Cluster) Fill(ctx context.Context, size Size) error {
	b := batch{ctx: ctx, cluster: c}
	for i := range namespaces {
		b.put(namespace(i))
	}
	for i := range Nodes(size.Pods) {
		b.put(node(i))
	}
	for i := range size.Pods {
		b.put(Pod(i, size.Policies))
	}
	for i := range size.Policies {
		b.put(policy(i))
	}
	b.flush()
	return errors.Join(b.err, c.warmUp(ctx, size))
}

// warmUp waits until the API server serves what was written from its cache, as
// one that has run for a while does.
func (c *Cluster) warmUp(ctx context.Context, size Size) error {
	for list, want := range map[client.ObjectList]int{
		&corev1.PodList{}: size.Pods, &corev1.NodeList{}: Nodes(size.Pods), &corev1.NamespaceList{}: namespaces, &networkingv1.NetworkPolicyList{}: 0,
		&v1alpha1.ClusterNetworkPolicyList{}: size.Policies, &npav1alpha2.ClusterNetworkPolicyList{}: 0, &apiextensionsv1.CustomResourceDefinitionList{}: 0,
	} {
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := c.Client.List(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
			return err == nil && meta.LenList(list) >= want, nil
		})
		if err != nil {
			return fmt.Errorf("wait until the API server serves %T from its cache: %w", list, err)
		}
	}
	return nil
}

// PutPods writes pods anew, with as many events for those that watch.
func (c *Cluster) PutPods(ctx context.Context, pods ...*corev1.Pod) error {
	b := batch{ctx: ctx, cluster: c}
	for _, p := range pods {
		b.put(p)
	}
	b.flush()
	return b.err
}

// batch collects writes; the first error ends them.
type batch struct {
	ctx     context.Context
	cluster *Cluster
	puts    []clientv3.Op
	err     error
}

func (b *batch) put(o client.Object) {
	if b.err != nil {
		return
	}
	value, err := encode(b.cluster.Client.Scheme(), o)
	if err != nil {
		b.err = err
		return
	}
	b.puts = append(b.puts, clientv3.OpPut(key(o), string(value)))
	if len(b.puts) == putsPerTransaction {
		b.flush()
	}
}

func (b *batch) flush() {
	if b.err != nil || len(b.puts) == 0 {
		return
	}
	if _, err := b.cluster.etcd.Txn(b.ctx).Then(b.puts...).Commit(); err != nil {
		b.err = fmt.Errorf("write objects to etcd: %w", err)
	}
	b.puts = b.puts[:0]
}

// key is where the API server keeps an object.
func key(o client.Object) string {
	switch o.(type) {
	case *corev1.Namespace:
		return "/registry/namespaces/" + o.GetName()
	case *corev1.Node:
		return "/registry/minions/" + o.GetName()
	case *v1alpha1.ClusterNetworkPolicy:
		return "/registry/policy.tierwall.io/clusternetworkpolicies/" + o.GetName()
	default:
		return "/registry/pods/" + o.GetNamespace() + "/" + o.GetName()
	}
}

// encode returns an object as the API server stores it: a kind of its own in
// protobuf, a custom one in JSON.
func encode(scheme *runtime.Scheme, o client.Object) ([]byte, error) {
	if o.GetUID() == "" {
		o.SetUID(uuid.NewUUID())
	}
	kinds, _, err := scheme.ObjectKinds(o)
	if err != nil {
		return nil, err
	}
	o.GetObjectKind().SetGroupVersionKind(kinds[0])
	var encoder runtime.Encoder = protobuf.NewSerializer(scheme, scheme)
	if _, custom := o.(*v1alpha1.ClusterNetworkPolicy); custom {
		encoder = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{})
	}
	var b bytes.Buffer
	if err := encoder.Encode(o, &b); err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", kinds[0].Kind, o.GetName(), err)
	}
	return b.Bytes(), nil
}
