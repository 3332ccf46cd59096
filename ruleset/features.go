// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// featureID names a feature within one compiler; IDs are reused.
type featureID uint32

type featureKind uint8

const (
	podsFeature featureKind = iota
	nodesFeature
	networkFeature
	domainFeature
	portFeature
)

// feature is one thing that policies in use can tell about an address: that a
// peer of some rule matches it, or what a named port is on it. The set of its
// features is an address's signature.
type feature struct {
	id   featureID
	key  string
	kind featureKind

	pods    *PodSelector
	nodes   labels.Selector
	network *Network
	domain  string
	ports   []NamedPort // all of one name

	// uses counts the stacks that ask for the feature (for a portFeature, the
	// identities that have it).
	uses int
	// live features are part of signatures. A feature becomes live, or stops
	// being so, in the course of an Update.
	live bool
	// stacks ask for the feature; unused for a portFeature, see portName.
	stacks  smallSet[*stackState]
	classes smallSet[*class]
}

// featureTable interns features by their content.
type featureTable struct {
	byKey map[string]*feature
	byID  []*feature // position 0 is unused
	free  []featureID
	// touched are features whose use began or ended since the last Update.
	touched map[*feature]struct{}
}

func newFeatureTable() featureTable {
	return featureTable{byKey: map[string]*feature{}, byID: make([]*feature, 1), touched: map[*feature]struct{}{}}
}

// intern returns the feature with f's key, adding f if it is new.
func (t *featureTable) intern(f feature) *feature {
	if known := t.byKey[f.key]; known != nil {
		return known
	}
	if n := len(t.free); n > 0 {
		f.id, t.free = t.free[n-1], t.free[:n-1]
		t.byID[f.id] = &f
	} else {
		f.id = featureID(len(t.byID))
		t.byID = append(t.byID, &f)
	}
	t.byKey[f.key] = &f
	t.touched[&f] = struct{}{}
	return &f
}

// forget gives back a feature that nothing refers to.
func (t *featureTable) forget(f *feature) {
	delete(t.byKey, f.key)
	t.byID[f.id] = nil
	t.free = append(t.free, f.id)
}

// peerFeature returns the feature that stands for a peer of a rule.
func (t *featureTable) peerFeature(p Peer) *feature {
	switch {
	case p.Pods != nil:
		return t.intern(feature{key: "pods " + p.Pods.key(), kind: podsFeature, pods: p.Pods})
	case p.Nodes != nil:
		return t.intern(feature{key: "nodes " + p.Nodes.String(), kind: nodesFeature, nodes: p.Nodes})
	case p.Net != nil:
		return t.intern(feature{key: "net " + p.Net.key(), kind: networkFeature, network: p.Net})
	default:
		return t.intern(feature{key: "domain " + p.Domain, kind: domainFeature, domain: p.Domain})
	}
}

// universalKey is the key of the feature that every pod has.
const universalKey = "pods |||any"

// universal reports whether every pod has the feature.
func (f *feature) universal() bool { return f.kind == podsFeature && f.pods.universal() }

// key is the network's content: equal keys match the same addresses.
func (n *Network) key() string {
	except := slices.Clone(n.Except)
	slices.SortFunc(except, netip.Prefix.Compare)
	return fmt.Sprintf("%s except %v", n.CIDR, slices.Compact(except))
}

// portsKey is the content of a list of named ports. The list is sorted.
func portsKey(ports []NamedPort) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "%s=%d/%d;", p.Name, p.Protocol, p.Port)
	}
	return b.String()
}

// signature is a sorted list of features without duplicates.
type signature []featureID

// key is the signature's content as a map key.
func (s signature) key() string {
	key := make([]byte, 0, 4*len(s))
	for _, id := range s {
		key = append(key, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	}
	return string(key)
}

func (s signature) has(id featureID) bool {
	_, ok := slices.BinarySearch(s, id)
	return ok
}

// signatureOf sorts ids and drops duplicates; it owns ids from then on.
func signatureOf(ids []featureID) signature {
	slices.Sort(ids)
	return slices.Compact(ids)
}
