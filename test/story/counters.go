// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Chain names a decision chain of Tierwall's table on a node. Its name tells
// action, tier, direction, policy and rule.
type Chain struct {
	Node, Name string
}

// Counters reads, from the kernel of every node, how many packets each rule has
// decided about.
func (s *Story) Counters() (map[Chain]uint64, error) {
	counters := map[Chain]uint64{}
	for _, node := range s.cfg.Cluster.Nodes() {
		if err := s.readCounters(node, counters); err != nil {
			return nil, fmt.Errorf("%s: read counters: %w", node, err)
		}
	}
	return counters, nil
}

func (s *Story) readCounters(node string, counters map[Chain]uint64) (err error) {
	netns, err := os.Open(s.cfg.Cluster.NodeNetns(node))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, netns.Close()) }()
	conn, err := nftables.New(nftables.WithNetNSFd(int(netns.Fd())))
	if err != nil {
		return err
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	decision := regexp.MustCompile(`^(accept|deny|pass)/`)
	for _, chain := range chains {
		if chain.Table.Name != "tierwall" || !decision.MatchString(chain.Name) {
			continue
		}
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return fmt.Errorf("chain %s: %w", chain.Name, err)
		}
		counters[Chain{Node: node, Name: chain.Name}] = packets(rules)
	}
	return nil
}

func packets(rules []*nftables.Rule) uint64 {
	var sum uint64
	for _, rule := range rules {
		for _, e := range rule.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				sum += counter.Packets
			}
		}
	}
	return sum
}
