// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/story/prober"
)

// source runs the probe, given its arguments, where connections come from.
type source func(ctx context.Context, args ...string) (stdout string, err error)

// nodeSource is the node whose own connections are measured.
const nodeSource = "node1"

func (s *Story) findSources(hosts map[string]*cluster.Host) map[string]source {
	probe := filepath.Join(s.cfg.Artifacts, "probe")
	return map[string]source{
		"outside": func(ctx context.Context, args ...string) (string, error) {
			stdout, _, err := hosts["outside"].Run(ctx, append([]string{probe}, args...)...)
			return stdout, err
		},
		nodeSource: func(ctx context.Context, args ...string) (string, error) {
			cmd := exec.CommandContext(ctx, probe, args...)
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			if err := s.cfg.Cluster.InNode(nodeSource, cmd.Start); err != nil {
				return "", fmt.Errorf("%s: run probe: %w", nodeSource, err)
			}
			err := cmd.Wait()
			return stdout.String(), err
		},
	}
}

// source finds one of the sources that are no pods, or the pod of the name
// NAMESPACE/NAME.
func (s *Story) source(name string) source {
	if found, ok := s.sources[name]; ok {
		return found
	}
	namespace, pod, _ := strings.Cut(name, "/")
	return func(ctx context.Context, args ...string) (string, error) {
		stdout, _, err := s.cfg.Cluster.Exec(ctx, namespace, pod, "probe", append([]string{"/probe"}, args...)...)
		return stdout, err
	}
}

// Probe runs the probe program in the pod NAMESPACE/NAME, or "outside", or
// "node1", and reads its answer into out.
func (s *Story) Probe(ctx context.Context, from string, out any, args ...string) error {
	stdout, err := s.source(from)(ctx, args...)
	if err != nil {
		return fmt.Errorf("probe from %s: %w", from, err)
	}
	if err := json.Unmarshal([]byte(stdout), out); err != nil {
		return fmt.Errorf("probe from %s: read %q: %w", from, stdout, err)
	}
	return nil
}

// Measure makes a connection for each pair and family.
func (s *Story) Measure(ctx context.Context, pairs []Pair) (Cells, error) {
	bySource := map[string][]Pair{}
	for _, pair := range pairs {
		bySource[pair.Source] = append(bySource[pair.Source], pair)
	}
	cells := Cells{}
	var mu sync.Mutex
	sources, ctx := errgroup.WithContext(ctx)
	for from, pairs := range bySource {
		sources.Go(func() error {
			row, err := s.measureRow(ctx, from, pairs)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(cells, row)
			return err
		})
	}
	return cells, sources.Wait()
}

func (s *Story) measureRow(ctx context.Context, from string, pairs []Pair) (Cells, error) {
	args := []string{"connect"}
	for _, pair := range pairs {
		args = append(args, s.targets[pair.Destination]...)
	}
	var results []prober.Result
	if err := s.Probe(ctx, from, &results, args...); err != nil {
		return nil, err
	}
	if len(results) != len(pairs)*families {
		return nil, fmt.Errorf("probe from %s: %d results for %d pairs", from, len(results), len(pairs))
	}
	cells := Cells{}
	for i, pair := range pairs {
		cells[pair] = cellOf(results[families*i].Reached, results[families*i+1].Reached)
	}
	return cells, nil
}

func cellOf(v4, v6 bool) Cell {
	switch {
	case v4 && v6:
		return Yes
	case v4:
		return OnlyIPv4
	case v6:
		return OnlyIPv6
	default:
		return No
	}
}

// MeasureUntil measures all pairs of a matrix until they are as it says or the
// patience is over, and returns what was measured last.
func (s *Story) MeasureUntil(ctx context.Context, want *Matrix, patience time.Duration) (Cells, error) {
	deadline := time.Now().Add(patience)
	for {
		cells, err := s.Measure(ctx, want.Pairs())
		if err != nil || len(want.Differing(cells)) == 0 || time.Now().After(deadline) {
			return cells, err
		}
	}
}

func join(words []string) string { return strings.Join(words, " ") }
