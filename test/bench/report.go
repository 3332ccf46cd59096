// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// figure is a plot of columns of a table, one line for each value of series,
// both axes logarithmic.
type figure struct {
	// file is its name, title the beginning of the table's.
	file, title string
	// series, x and y are columns.
	series, x, y string
	xLabel       string
}

func figures() []figure {
	const forms = "policies that select the pod"
	return []figure{
		{"packets-ipv4.svg", "First packet of a connection, IPv4", forms, "count", "µs", "policies that select the pod"},
		{"packets-ipv6.svg", "First packet of a connection, IPv6", forms, "count", "µs", "policies that select the pod"},
		{"start.svg", "The agent: from start", "policies", "pods", "start to in sync s", "pods"},
		{"memory.svg", "The agent: from start", "policies", "pods", "peak RSS MiB", "pods"},
	}
}

// runReport draws the figures of what was measured before.
func runReport() error {
	file, err := os.Open(filepath.Join(artifacts, "bench.md"))
	if err != nil {
		return fmt.Errorf("read what was measured (make bench): %w", err)
	}
	defer func() { _ = file.Close() }()
	tables, err := parseTables(file)
	if err != nil {
		return err
	}
	for _, f := range figures() {
		i := slices.IndexFunc(tables, func(t *table) bool { return strings.HasPrefix(t.title, f.title) })
		if i < 0 {
			return fmt.Errorf("%s has no table %q: measure all of it (make bench)", file.Name(), f.title)
		}
		if err := f.draw(tables[i]); err != nil {
			return fmt.Errorf("draw %s: %w", f.file, err)
		}
	}
	return nil
}

// parseTables reads what table.write wrote.
func parseTables(r io.Reader) ([]*table, error) {
	var tables []*table
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			return tables, s.Err()
		}
		line := s.Text()
		title, isTitle := strings.CutPrefix(line, "### ")
		switch {
		case isTitle:
			tables = append(tables, &table{title: title})
		case len(tables) == 0 || !strings.HasPrefix(line, "| "):
		case tables[len(tables)-1].head == nil:
			tables[len(tables)-1].head = cells(line)
		default:
			tables[len(tables)-1].add(cells(line)...)
		}
	}
}

func cells(line string) []string {
	return strings.Split(strings.Trim(line, "| "), " | ")
}

func (f figure) draw(t *table) error {
	lines, names, err := f.lines(t)
	if err != nil {
		return err
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = t.title, f.xLabel, f.y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	for i, name := range names {
		line, points, err := plotter.NewLinePoints(lines[name])
		if err != nil {
			return err
		}
		line.Color, points.Color, points.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		p.Add(line, points)
		p.Legend.Add(name, line, points)
	}
	return p.Save(22*vg.Centimeter, 14*vg.Centimeter, filepath.Join(artifacts, f.file))
}

// lines collects the points of each series, and the series' names in the order
// of the table.
func (f figure) lines(t *table) (map[string]plotter.XYs, []string, error) {
	series, x, y := slices.Index(t.head, f.series), slices.Index(t.head, f.x), slices.Index(t.head, f.y)
	if min(series, x, y) < 0 {
		return nil, nil, fmt.Errorf("table %q lacks a column of %q, %q, %q", t.title, f.series, f.x, f.y)
	}
	lines, names := map[string]plotter.XYs{}, []string(nil)
	for _, row := range t.rows {
		px, err := strconv.ParseFloat(row[x], 64)
		if err != nil {
			return nil, nil, err
		}
		py, err := strconv.ParseFloat(row[y], 64)
		if err != nil {
			return nil, nil, err
		}
		name := row[series]
		if lines[name] == nil {
			names = append(names, name)
		}
		lines[name] = append(lines[name], plotter.XY{X: px, Y: py})
	}
	return lines, names, nil
}
