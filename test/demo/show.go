// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tierwall/tierwall/test/cluster"
	"github.com/tierwall/tierwall/test/story"
)

// patience bounds how long a step waits for the matrix to be as expected.
const patience = 30 * time.Second

// show is one run of the demo.
type show struct {
	artifacts string
	out       io.Writer
	style     style
	story     *story.Story
	// last is the matrix that was shown last.
	last story.Cells
}

func newShow(artifacts string, out io.Writer) *show {
	return &show{artifacts: artifacts, out: out, style: styleOf(out)}
}

func (s *show) printf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *show) heading(format string, args ...any) {
	s.printf("\n%s\n", s.style.bold("=== "+fmt.Sprintf(format, args...)))
}

func (s *show) run(ctx context.Context) error {
	start := time.Now()
	before, err := story.Before()
	if err != nil {
		return err
	}
	steps, err := story.Steps()
	if err != nil {
		return err
	}
	c, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	if err := s.showBefore(ctx, before); err != nil {
		return err
	}
	for _, step := range steps {
		if err := s.showStep(ctx, step); err != nil {
			return err
		}
	}
	s.heading("What the status of the policies says")
	if err := s.story.Accepted(ctx); err != nil {
		return err
	}
	s.heading("Every cell was as expected after each of the %d samples (%s since the start)", len(steps), time.Since(start).Round(time.Second))
	return s.sayHowToPlay(c)
}

func (s *show) prepare(ctx context.Context) (*cluster.Cluster, error) {
	s.heading("A Kubernetes cluster of two nodes, IPv4 and IPv6")
	c, err := cluster.Start(ctx, cluster.Config{Name: clusterName, Nodes: 2, Progress: s.printf})
	if err != nil {
		return nil, err
	}
	cfg := story.Config{Cluster: c, Repository: ".", Artifacts: s.artifacts, Progress: s.printf}
	s.heading("Tierwall, installed as on any cluster")
	if err := story.Install(ctx, cfg); err != nil {
		return nil, err
	}
	s.heading("A small company")
	s.story, err = story.Deploy(ctx, cfg)
	return c, err
}

func (s *show) showBefore(ctx context.Context, want *story.Matrix) error {
	s.heading("Before any policy")
	return s.measure(ctx, "before", want)
}

func (s *show) showStep(ctx context.Context, step story.Step) error {
	s.heading("%s", step.Name)
	changed := step.Expected.Differing(s.last)
	if err := s.story.Apply(ctx, step); err != nil {
		return err
	}
	s.printf("")
	if err := s.measure(ctx, step.Name, step.Expected); err != nil {
		return err
	}
	return s.explain(ctx, step, changed)
}

// measure shows the matrix, and fails if a cell is not as expected.
func (s *show) measure(ctx context.Context, name string, want *story.Matrix) error {
	cells, err := s.story.MeasureUntil(ctx, want, patience)
	if err != nil {
		return err
	}
	s.printf("%s\n", want.Note)
	s.printf("%s", want.Show(cells, func(pair story.Pair, text string) string {
		return s.style.cell(cells[pair], s.last != nil && cells[pair] != s.last[pair], text)
	}))
	s.last = cells
	wrong := want.Differing(cells)
	if len(wrong) == 0 {
		s.printf("\nAll %d cells are as expected, each with IPv4 and IPv6. A * marks what changed.", len(want.Cells))
		return nil
	}
	for _, pair := range wrong {
		s.printf("NOT AS EXPECTED: %s is %q, and %s says %q", pair, cells[pair], name, want.Cells[pair])
	}
	return fmt.Errorf("%s: %d of %d cells are not as expected, the first is %s; the cluster is left up to look into it", name, len(wrong), len(want.Cells), wrong[0])
}

// explain shows the rules that decided about the cells that changed.
func (s *show) explain(ctx context.Context, step story.Step, changed []story.Pair) error {
	explanations, err := s.story.Explain(ctx, step.Expected.Cells, changed)
	if err != nil {
		return fmt.Errorf("%s: %w", step.Name, err)
	}
	s.printf("\nWhat changed, and the rule that the kernel counted when it was tried again:")
	for _, e := range explanations {
		if err := s.explainOne(step, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) explainOne(step story.Step, e story.Explanation) error {
	for _, line := range s.sourcesByDestination(e) {
		s.printf("  %s", line)
	}
	decided := false
	for _, count := range e.Counts {
		s.printf("      %s: %s packets %d -> %d", count.Node, s.style.bold(count.Name), count.Before, count.After)
		decided = decided || step.DecidedBy(count)
	}
	if !decided {
		return fmt.Errorf("%s: %v changed, and none of %v decided about it", step.Name, e.Pairs, step.Policies)
	}
	return nil
}

// sourcesByDestination puts pairs with the same end and outcome on one line.
func (s *show) sourcesByDestination(e story.Explanation) []string {
	var order []string
	sources := map[string][]string{}
	for _, pair := range e.Pairs {
		key := fmt.Sprintf("%s %s from", pair.Destination, e.Cells[pair])
		if sources[key] == nil {
			order = append(order, key)
		}
		sources[key] = append(sources[key], pair.Source)
	}
	lines := make([]string, 0, len(order))
	for _, key := range order {
		lines = append(lines, key+" "+strings.Join(sources[key], ", "))
	}
	return lines
}
