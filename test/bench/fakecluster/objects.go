// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package fakecluster

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tierwall/tierwall/api/v1alpha1"
)

const (
	namespaces  = 100
	podsPerNode = 110
)

// Nodes returns how many nodes a cluster of so many pods has.
func Nodes(pods int) int { return (pods + podsPerNode - 1) / podsPerNode }

// NodeName returns the name of node i.
func NodeName(i int) string { return fmt.Sprintf("node-%04d", i) }

// NamespaceName returns the name of the namespace of pod i.
func NamespaceName(i int) string { return fmt.Sprintf("ns-%02d", i%namespaces) }

// Address returns the IPv4 address of pod i.
func Address(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(i))
	return netip.AddrFrom4(b)
}

// started is when everything in the cluster was created.
func started() metav1.Time { return metav1.NewTime(time.Unix(1_780_000_000, 0)) }

func namespace(i int) *corev1.Namespace {
	name := NamespaceName(i)
	return &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: started(), Labels: map[string]string{corev1.LabelMetadataName: name}},
		Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

func node(i int) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: NodeName(i), CreationTimestamp: started(), Labels: map[string]string{corev1.LabelHostname: NodeName(i)}},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}).String()},
			{Type: corev1.NodeHostName, Address: NodeName(i)},
		}},
	}
}

// Pod returns pod i of a cluster with so many policies: running, about 4 KiB as
// the API server stores it, like a pod of a Deployment. Its label app is that of
// one policy's peer.
func Pod(i, policies int) *corev1.Pod {
	app := i % max(policies, 1)
	// A ReplicaSet's pods have its hash.
	hash := fmt.Sprintf("%08x", 0x5bd1e995*uint32(app))
	name := fmt.Sprintf("app-%d-%s-%05d", app, hash, i)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, GenerateName: name[:len(name)-5], Namespace: NamespaceName(i), CreationTimestamp: started(), Generation: 1,
			Labels: map[string]string{
				"app": fmt.Sprintf("app-%d", app), "pod-template-hash": hash, "tier": "backend",
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name[:len(name)-6], UID: "2b0f3d0e-6f6c-4b0e-9a53-0d7ad6a4f9c1"}},
			ManagedFields:   managedFields(),
		},
		Spec:   podSpec(i),
		Status: podStatus(i),
	}
}

func podSpec(i int) corev1.PodSpec {
	seconds := int64(300)
	probe := &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}},
		PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3,
	}
	return corev1.PodSpec{
		NodeName: NodeName(i / podsPerNode), RestartPolicy: corev1.RestartPolicyAlways, ServiceAccountName: "default", SchedulerName: "default-scheduler",
		Containers: []corev1.Container{{
			Name: "main", Image: "images.example.com/team/application:v1.23.4", ImagePullPolicy: corev1.PullIfNotPresent,
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
			Env:   environment(), LivenessProbe: probe, ReadinessProbe: probe,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
			}},
			VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
		}},
		Volumes: []corev1.Volume{{Name: "kube-api-access", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}},
		}}}}},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds},
		},
	}
}

func environment() []corev1.EnvVar {
	var env []corev1.EnvVar
	for i := range 8 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: "some-value-of-ordinary-length"})
	}
	return env
}

func podStatus(i int) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "172.16.0.1", PodIP: Address(i).String(), PodIPs: []corev1.PodIP{{IP: Address(i).String()}}, QOSClass: corev1.PodQOSBurstable,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", Ready: true, Image: "images.example.com/team/application:v1.23.4", ContainerID: fmt.Sprintf("containerd://%064x", i),
			ImageID: fmt.Sprintf("images.example.com/team/application@sha256:%064x", 7), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started()}},
		}},
	}
	for _, t := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: started()})
	}
	return status
}

// managedFields are as long as those that kube-controller-manager and a kubelet
// leave.
func managedFields() []metav1.ManagedFieldsEntry {
	at := started()
	entry := func(manager, subresource string, fields int) metav1.ManagedFieldsEntry {
		raw := `{"f:metadata":{` + strings.Repeat(`"f:some-field":{},`, fields) + `"f:last":{}}}`
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &at, FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(raw), Subresource: subresource,
		}
	}
	return []metav1.ManagedFieldsEntry{entry("kube-controller-manager", "", 50), entry("kubelet", "status", 40)}
}

// policy returns policy i: it selects every pod and accepts from one
// application.
func policy(i int) *v1alpha1.ClusterNetworkPolicy {
	return &v1alpha1.ClusterNetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%05d", i), UID: types.UID(fmt.Sprintf("policy-%d", i)), CreationTimestamp: started(), Generation: 1},
		Spec: v1alpha1.ClusterNetworkPolicySpec{
			Tier: v1alpha1.AdminTier, Priority: int32(i % 1000), Subject: v1alpha1.ClusterNetworkPolicySubject{Namespaces: &metav1.LabelSelector{}},
			Ingress: []v1alpha1.ClusterNetworkPolicyIngressRule{{
				Action: v1alpha1.ClusterNetworkPolicyRuleActionAccept,
				From: []v1alpha1.ClusterNetworkPolicyIngressPeer{{Pods: &v1alpha1.NamespacedPod{
					PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app-%d", i)}},
				}}},
				Protocols: []v1alpha1.ClusterNetworkPolicyProtocol{{TCP: &v1alpha1.ClusterNetworkPolicyProtocolTCP{DestinationPort: &v1alpha1.Port{Number: 80}}}},
			}},
		},
	}
}
