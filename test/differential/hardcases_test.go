// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/test/differential"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// hardCase is something that implementations disagree on.
type hardCase struct {
	// text is the sentence of the API text that the case stands for.
	text string
	// objects are YAML documents, which are added to testdata/hardcases.yaml; an
	// object replaces one of its kind and name.
	objects string
	// want are packets with what becomes of them, as in
	// "web > db TCP 80: passes". A name with a 6 is the IPv6 address.
	want []string
}

// addresses are those of testdata/hardcases.yaml, and some of the outside.
func addresses() map[string]string {
	return map[string]string{
		"web": "10.0.1.14", "db": "10.0.1.15", "tool": "10.0.2.14", "new": "10.0.1.16",
		"web6": "fd00:0:0:1::e", "db6": "fd00:0:0:1::f", "tool6": "fd00:0:0:2::e",
		"own": "192.0.2.1", "own6": "2001:db8::1", "gateway": "10.0.1.1",
		"other": "192.0.2.2", "other6": "2001:db8::2", "tunnel": "10.0.2.0",
		"outside": "198.51.100.1", "outside6": "2001:db8:f::1",
	}
}

// expectation is a parsed line of hardCase.want.
type expectation struct {
	packet oracle.Packet
	passes bool
}

func parseExpectation(line string) (expectation, error) {
	var from, to, protocol, outcome string
	var port uint16
	line = strings.Replace(line, ":", " ", 1)
	if _, err := fmt.Sscanf(line, "%s > %s %s %d %s", &from, &to, &protocol, &port, &outcome); err != nil {
		return expectation{}, fmt.Errorf("read %q: %w", line, err)
	}
	protocols := map[string]oracle.Protocol{
		"ICMP": oracle.ICMP, "TCP": oracle.TCP, "UDP": oracle.UDP, "ICMPv6": oracle.ICMPv6, "SCTP": oracle.SCTP,
	}
	source, err := netip.ParseAddr(addresses()[from])
	if err != nil {
		return expectation{}, fmt.Errorf("source %q: %w", from, err)
	}
	destination, err := netip.ParseAddr(addresses()[to])
	if err != nil {
		return expectation{}, fmt.Errorf("destination %q: %w", to, err)
	}
	return expectation{oracle.Packet{Source: source, Destination: destination, Protocol: protocols[protocol], Port: port}, outcome == "passes"}, nil
}

// stateOf decodes a case's objects on top of the common cluster.
func stateOf(t *testing.T, objects string) *oracle.Cluster {
	t.Helper()
	base, err := os.ReadFile("testdata/hardcases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	items := ""
	for document := range strings.SplitSeq(objects, "\n---\n") {
		items += "\n- " + strings.ReplaceAll(strings.TrimSpace(document), "\n", "\n  ")
	}
	if strings.TrimSpace(objects) == "" {
		items = ""
	}
	states, err := differential.Decode([]byte(strings.TrimSpace(string(base)) + items + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	state := states[0]
	state.Pods = lastOfEachName(state.Pods)
	state.Namespaces = lastOfEachName(state.Namespaces)
	return state
}

func lastOfEachName[V interface{ GetName() string }](list []V) []V {
	last := map[string]int{}
	for i, o := range list {
		last[o.GetName()] = i
	}
	var kept []V
	for i, o := range list {
		if last[o.GetName()] == i {
			kept = append(kept, o)
		}
	}
	return kept
}

// Each hard case has the outcome written down here, and the oracle, the compiled
// Ruleset and the kernel agree.
func TestHardCases(t *testing.T) {
	kernel := newKernel(t)
	for name, c := range hardCases() {
		t.Run(name, func(t *testing.T) {
			t.Logf("stands for: %s", c.text)
			state := stateOf(t, c.objects)
			if _, err := differential.CheckCompiler([]*oracle.Cluster{stateOf(t, ""), state}); err != nil {
				t.Error(err)
			}
			if _, err := kernel.Check(t.Context(), []*oracle.Cluster{stateOf(t, ""), state}, 1); err != nil {
				t.Error(err)
			}
			checkExpectations(t, kernel, state, c.want)
		})
	}
}

func checkExpectations(t *testing.T, kernel *differential.Kernel, state *oracle.Cluster, want []string) {
	t.Helper()
	if err := kernel.Reach(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	var packets []oracle.Packet
	for _, line := range want {
		e, err := parseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := oracle.New(state).Decide(gen.LocalNode, e.packet); got.Allowed != e.passes {
			t.Errorf("%s: the oracle says %+v", line, got)
		}
		packets = append(packets, e.packet)
	}
	if err := kernel.Compare(state, packets); err != nil {
		t.Error(err)
	}
}
