// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"fmt"
	"net/netip"

	"github.com/tierwall/tierwall/ruleset"
	"github.com/tierwall/tierwall/test/gen"
	"github.com/tierwall/tierwall/test/oracle"
)

// CompareVerdicts compares the Ruleset's decision and decider with the oracle's,
// for all traffic of the node's pods that the state may tell apart, in both
// directions. It returns how many packets it compared.
func CompareVerdicts(c *oracle.Cluster, rs *ruleset.Ruleset) (int, error) {
	o, traffic, compared := oracle.New(c), gen.Interesting(c), 0
	for _, subject := range traffic.Addresses {
		pod := o.Owner(subject)
		if pod == nil || pod.Spec.NodeName != gen.LocalNode {
			if s, ok := rs.Subjects[subject]; ok {
				return compared, fmt.Errorf("%s is no local pod's, but is a subject: %+v", subject, s)
			}
			continue
		}
		for _, peer := range traffic.Addresses {
			if o.Owner(peer) == pod {
				continue
			}
			n, err := comparePair(o, rs, traffic, subject, peer)
			compared += n
			if err != nil {
				return compared, err
			}
		}
	}
	return compared, nil
}

// comparePair compares every service of one pod, from and to one peer.
func comparePair(o *oracle.Oracle, rs *ruleset.Ruleset, traffic gen.Traffic, subject, peer netip.Addr) (int, error) {
	compared := 0
	for _, p := range traffic.Packets(subject, peer) {
		got := verdictOf(rs.Decide(ruleset.Egress, subject, peer, ruleset.Protocol(p.Protocol), p.Port))
		if want := o.Judge(oracle.Egress, p); got != want {
			return compared, difference(p, want, got)
		}
		p.Source, p.Destination = peer, subject
		got = verdictOf(rs.Decide(ruleset.Ingress, subject, peer, ruleset.Protocol(p.Protocol), p.Port))
		if want := o.Judge(oracle.Ingress, p); got != want {
			return compared, difference(p, want, got)
		}
		compared += 2
	}
	return compared, nil
}

func difference(p oracle.Packet, want, got oracle.Verdict) error {
	return fmt.Errorf("%s: the oracle says %+v, the ruleset %+v", p, want, got)
}

// verdictOf puts a decision in the oracle's words.
func verdictOf(d *ruleset.Decision) oracle.Verdict {
	if d == nil {
		return oracle.Verdict{Allowed: true}
	}
	return oracle.Verdict{
		Allowed: d.Action == ruleset.Accept, Kind: d.Policy.Kind.String(), Namespace: d.Policy.Namespace, Name: d.Policy.Name,
		Direction: oracle.Direction(d.Direction.String()), Rule: d.Rule,
	}
}
