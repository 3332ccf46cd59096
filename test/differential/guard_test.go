// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// The generators make a case of everything that the APIs have: if a type gets a
// new field, this fails until the generators set it.
func TestEverythingIsGenerated(t *testing.T) {
	seen := map[string]bool{}
	for seed := range 400 {
		c := gen.Cluster().Example(seed)
		collect(seen, "networkpolicy", specs(c.NetworkPolicies, func(p *networkingv1.NetworkPolicy) any { return p.Spec }))
		collect(seen, "upstream", specs(c.Upstream, func(p *upstream.ClusterNetworkPolicy) any { return p.Spec }))
		collect(seen, "tierwall", specs(c.Tierwall, func(p *v1alpha1.ClusterNetworkPolicy) any { return p.Spec }))
		for _, pod := range c.Pods {
			seen["phase "+string(pod.Status.Phase)] = true
			seen[fmt.Sprintf("host network %t", pod.Spec.HostNetwork)] = true
			seen[fmt.Sprintf("%d addresses", len(pod.Status.PodIPs))] = true
		}
	}
	wanted := slices.Concat(
		fields("networkpolicy", reflect.TypeFor[networkingv1.NetworkPolicySpec]()),
		fields("upstream", reflect.TypeFor[upstream.ClusterNetworkPolicySpec]()),
		fields("tierwall", reflect.TypeFor[v1alpha1.ClusterNetworkPolicySpec]()),
		values(), pods(),
	)
	for _, what := range wanted {
		if !seen[what] {
			t.Errorf("no generated state has %q", what)
		}
	}
}

func specs[V any](list []V, spec func(V) any) []any {
	var all []any
	for _, o := range list {
		all = append(all, spec(o))
	}
	return all
}

// collect notes the JSON paths that objects have, without indices, and what
// their enumerations say.
func collect(seen map[string]bool, prefix string, objects []any) {
	for _, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		var tree any
		if err := json.Unmarshal(data, &tree); err != nil {
			panic(err)
		}
		collectTree(seen, prefix, tree)
	}
}

func collectTree(seen map[string]bool, path string, tree any) {
	seen[path] = true
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			collectTree(seen, path+"."+key, value)
		}
	case []any:
		for _, value := range v {
			collectTree(seen, path, value)
		}
	case string:
		seen[path+"="+v] = true
	}
}

// fields returns the JSON paths of all fields of a type. Labels are the
// selectors' own matter.
func fields(prefix string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.Name() == "IntOrString" {
		return nil
	}
	var all []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		all = append(all, prefix+"."+name)
		all = append(all, fields(prefix+"."+name, t.Field(i).Type)...)
	}
	return all
}

// values are what enumerations have: every action in every kind and direction,
// every protocol, every operator, both policy types, known tiers and another.
func values() []string {
	var all []string
	for _, kind := range []string{"upstream", "tierwall"} {
		for _, tier := range []v1alpha1.Tier{v1alpha1.AdminTier, v1alpha1.BaselineTier, "Developer"} {
			all = append(all, fmt.Sprintf("%s.tier=%s", kind, tier))
		}
		for _, direction := range []string{"ingress", "egress"} {
			for _, action := range []v1alpha1.ClusterNetworkPolicyRuleAction{
				v1alpha1.ClusterNetworkPolicyRuleActionAccept, v1alpha1.ClusterNetworkPolicyRuleActionDeny,
				v1alpha1.ClusterNetworkPolicyRuleActionPass, "Log",
			} {
				all = append(all, fmt.Sprintf("%s.%s.action=%s", kind, direction, action))
			}
		}
	}
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		all = append(all, fmt.Sprintf("networkpolicy.ingress.ports.protocol=%s", protocol), fmt.Sprintf("networkpolicy.egress.ports.protocol=%s", protocol))
	}
	for _, operator := range []metav1.LabelSelectorOperator{
		metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist, "Near",
	} {
		all = append(all, fmt.Sprintf("networkpolicy.podSelector.matchExpressions.operator=%s", operator))
	}
	for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
		all = append(all, fmt.Sprintf("networkpolicy.policyTypes=%s", direction))
	}
	return all
}

func pods() []string {
	all := []string{"host network true", "host network false", "0 addresses", "1 addresses", "2 addresses"}
	for _, phase := range []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown} {
		all = append(all, "phase "+string(phase))
	}
	return all
}

// Every protocol that a packet can have is among those that are tried.
func TestEveryProtocolIsTried(t *testing.T) {
	tried := map[oracle.Protocol]bool{}
	for _, p := range gen.Interesting().Services() {
		tried[p.Protocol] = true
	}
	for _, protocol := range []oracle.Protocol{oracle.TCP, oracle.UDP, oracle.SCTP, oracle.ICMP, oracle.ICMPv6} {
		if !tried[protocol] {
			t.Errorf("protocol %d is not tried", protocol)
		}
	}
}
