// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	upstream "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/api/v1alpha1"
	"github.com/tierwall/tierwall/test/oracle"
)

// learnedNames is the name of the ConfigMap that holds, in a file, what DNS said.
const learnedNames = "learned-names"

// stateList is one state in a file: a List as kubectl knows it.
type stateList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []any `json:"items"`
}

// Encode writes states as YAML: a document for each state, which is a List of
// its objects.
func Encode(states []*oracle.Cluster) ([]byte, error) {
	var file bytes.Buffer
	for i, c := range states {
		document, err := yaml.Marshal(listOf(c))
		if err != nil {
			return nil, fmt.Errorf("encode state %d: %w", i, err)
		}
		file.WriteString("---\n")
		file.Write(document)
	}
	return file.Bytes(), nil
}

func listOf(c *oracle.Cluster) stateList {
	list := stateList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []any{}}
	list.Items = appendAll(list.Items, c.Namespaces)
	list.Items = appendAll(list.Items, c.Nodes)
	list.Items = appendAll(list.Items, c.Pods)
	list.Items = appendAll(list.Items, c.NetworkPolicies)
	list.Items = appendAll(list.Items, c.Upstream)
	list.Items = appendAll(list.Items, c.Tierwall)
	if len(c.Learned) == 0 {
		return list
	}
	names := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{}}
	names.Name = learnedNames
	for name, addresses := range c.Learned {
		var texts []string
		for _, a := range addresses {
			texts = append(texts, a.String())
		}
		names.Data[name] = strings.Join(texts, " ")
	}
	list.Items = append(list.Items, names)
	return list
}

func appendAll[V any](items []any, objects []V) []any {
	for _, o := range objects {
		items = append(items, o)
	}
	return items
}

// Decode reads what Encode wrote.
func Decode(file []byte) ([]*oracle.Cluster, error) {
	var states []*oracle.Cluster
	for i, document := range bytes.Split(file, []byte("---\n")) {
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		var list metav1.List
		if err := yaml.UnmarshalStrict(document, &list); err != nil {
			return nil, fmt.Errorf("decode document %d: %w", i, err)
		}
		c := &oracle.Cluster{}
		for j, item := range list.Items {
			if err := decodeItem(c, item.Raw); err != nil {
				return nil, fmt.Errorf("decode item %d of document %d: %w", j, i, err)
			}
		}
		states = append(states, c)
	}
	return states, nil
}

func decodeItem(c *oracle.Cluster, raw []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(raw, &kind); err != nil {
		return err
	}
	switch kind.GroupVersionKind().GroupKind().String() {
	case "Namespace":
		return decodeInto(raw, &c.Namespaces)
	case "Node":
		return decodeInto(raw, &c.Nodes)
	case "Pod":
		return decodeInto(raw, &c.Pods)
	case "NetworkPolicy." + networkingv1.GroupName:
		return decodeInto(raw, &c.NetworkPolicies)
	case "ClusterNetworkPolicy." + upstream.GroupName:
		return decodeInto(raw, &c.Upstream)
	case "ClusterNetworkPolicy." + v1alpha1.GroupVersion.Group:
		return decodeInto(raw, &c.Tierwall)
	case "ConfigMap":
		return decodeNames(raw, c)
	default:
		return fmt.Errorf("kind %q is none that a state can have", kind.GroupVersionKind())
	}
}

func decodeInto[V any](raw []byte, list *[]*V) error {
	o := new(V)
	if err := yaml.Unmarshal(raw, o); err != nil {
		return err
	}
	*list = append(*list, o)
	return nil
}

func decodeNames(raw []byte, c *oracle.Cluster) error {
	var names corev1.ConfigMap
	if err := yaml.Unmarshal(raw, &names); err != nil {
		return err
	}
	c.Learned = map[string][]netip.Addr{}
	for name, texts := range names.Data {
		for text := range strings.FieldsSeq(texts) {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("name %s: %w", name, err)
			}
			c.Learned[name] = append(c.Learned[name], address)
		}
	}
	return nil
}
