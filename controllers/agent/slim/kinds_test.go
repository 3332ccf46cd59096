// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/randfill"

	"github.com/tierwall/tierwall/ruleset"
)

// meaning is a kind of object and what the agent reads of one.
type meaning struct {
	object client.Object
	// read returns something to compare, and whether there is anything in it.
	read func(client.Object) (any, bool)
}

func meanings() map[kind]meaning {
	return map[kind]meaning{
		{"v1", "Pod"}: {&corev1.Pod{}, func(o client.Object) (any, bool) {
			return ruleset.PodFrom(o.(*corev1.Pod))
		}},
		{"v1", "Node"}: {&corev1.Node{}, func(o client.Object) (any, bool) {
			node := ruleset.NodeFrom(o.(*corev1.Node))
			return node, len(node.Addresses) > 0
		}},
		{"v1", "Namespace"}: {&corev1.Namespace{}, func(o client.Object) (any, bool) {
			return o.GetLabels(), len(o.GetLabels()) > 0
		}},
		{"networking.k8s.io/v1", "NetworkPolicy"}: {&networkingv1.NetworkPolicy{}, func(o client.Object) (any, bool) {
			policy := ruleset.FromNetworkPolicy(o.(*networkingv1.NetworkPolicy))
			return policy, len(policy.Rules[ruleset.Ingress])+len(policy.Rules[ruleset.Egress]) > 0
		}},
	}
}

// TestWhatIsReadIsKept fails if the conversion of a kind starts to read another
// field: add it to kinds.
func TestWhatIsReadIsKept(t *testing.T) {
	const objects = 300
	for name := range kinds() {
		m, ok := meanings()[name]
		if !ok {
			t.Errorf("no case for %v", name)
			continue
		}
		t.Run(name.kind, func(t *testing.T) {
			seed := rand.Int63()
			t.Logf("seed %d", seed)
			random := filler(seed)
			said := 0
			for range objects {
				o := reflect.New(reflect.TypeOf(m.object).Elem()).Interface().(client.Object)
				random.Fill(o)
				if compare(t, m, o) {
					said++
				}
			}
			if said < objects/10 {
				t.Errorf("of %d random objects %d say something", objects, said)
			}
		})
	}
}

// compare compares what is read of an object and of what is left of it. It
// returns whether there was anything to read.
func compare(t *testing.T, m meaning, o client.Object) bool {
	t.Helper()
	sent := encode(t, o)
	pruned, ok := prune(nil, sent, kinds())
	if !ok {
		t.Fatalf("not pruned: %s", o)
	}
	full, less := decode(t, sent), decode(t, pruned)
	if len(less.GetManagedFields())+len(less.GetOwnerReferences())+len(less.GetAnnotations()) > 0 {
		t.Errorf("nothing was dropped of %s", less)
	}
	names := func(o client.Object) string {
		return fmt.Sprintf("%q %q %q", o.GetNamespace(), o.GetName(), o.GetResourceVersion())
	}
	if got, want := names(less), names(full); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want, said := m.read(full)
	// Not cmp.Diff: selectors have no exported fields.
	if got, _ := m.read(less); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v\nof %s", got, want, full)
	}
	return said
}

func decode(t *testing.T, object []byte) client.Object {
	t.Helper()
	o, err := runtime.Decode(codec(), object)
	if err != nil {
		t.Fatal(err)
	}
	return o.(client.Object)
}

// filler fills objects at random, and so that there is something to read of
// many.
func filler(seed int64) *randfill.Filler {
	funcs := fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, func(serializer.CodecFactory) []any {
		return []any{
			func(s *corev1.PodSpec, c randfill.Continue) {
				c.FillNoCustom(s)
				s.HostNetwork = c.Intn(8) == 0
			},
			func(s *corev1.PodStatus, c randfill.Continue) {
				c.FillNoCustom(s)
				phases := []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed}
				s.Phase, s.PodIP = phases[c.Intn(len(phases))], address(c)
			},
			func(ip *corev1.PodIP, c randfill.Continue) { ip.IP = address(c) },
			func(container *corev1.Container, c randfill.Continue) {
				c.FillNoCustom(container)
				if c.Bool() {
					container.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
				}
			},
			func(p *corev1.ContainerPort, c randfill.Continue) {
				c.FillNoCustom(p)
				protocols := []corev1.Protocol{"", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
				p.Protocol, p.ContainerPort = protocols[c.Intn(len(protocols))], c.Int31n(70_000)
			},
			func(s *corev1.NodeSpec, c randfill.Continue) {
				c.FillNoCustom(s)
				s.PodCIDR = address(c) + "/24"
				for i := range s.PodCIDRs {
					s.PodCIDRs[i] = address(c) + "/24"
				}
			},
			func(a *corev1.NodeAddress, c randfill.Continue) { a.Address = address(c) },
		}
	})
	return fuzzer.FuzzerFor(funcs, rand.NewSource(seed), serializer.NewCodecFactory(scheme.Scheme)).NumElements(0, 3)
}

func address(c randfill.Continue) string {
	return fmt.Sprintf("10.%d.%d.%d", c.Intn(4), c.Intn(256), c.Intn(256))
}

func TestKindsHaveTheNumbersOfTheirFields(t *testing.T) {
	all := kinds()
	maps.Copy(all, lists(all))
	for name, kept := range all {
		object, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(name.apiVersion, name.kind))
		if err != nil {
			t.Fatal(err)
		}
		checkFields(t, name.kind, reflect.TypeOf(object).Elem(), kept)
	}
}

// checkFields compares fields with the tags of a Go type.
func checkFields(t *testing.T, path string, of reflect.Type, kept fields) {
	t.Helper()
	tagged := map[string]reflect.StructField{}
	for i := range of.NumField() {
		// Such as bytes,1,opt,name=metadata.
		if tag := strings.Split(of.Field(i).Tag.Get("protobuf"), ","); len(tag) > 3 {
			tagged[tag[1]+" "+strings.TrimPrefix(tag[3], "name=")] = of.Field(i)
		}
	}
	for _, f := range kept {
		goField, ok := tagged[fmt.Sprintf("%d %s", f.number, f.name)]
		if !ok {
			t.Errorf("%s has no field %d with the name %s", path, f.number, f.name)
			continue
		}
		if f.within == nil {
			continue
		}
		inner := goField.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		checkFields(t, path+"."+f.name, inner, f.within)
	}
}
