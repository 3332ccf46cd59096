// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"strings"
)

// Pair names a source and a destination.
type Pair struct {
	Source, Destination string
}

// String names the pair in messages.
func (p Pair) String() string { return p.Source + " -> " + p.Destination }

// Cell tells whether a source reaches a destination.
type Cell string

// The cells. A connection counts as Yes or No when it is so for IPv4 and IPv6.
const (
	Yes      Cell = "yes"
	No       Cell = "no"
	OnlyIPv4 Cell = "v4"
	OnlyIPv6 Cell = "v6"
	// Untried is a pair that makes no sense.
	Untried Cell = "."
)

// Cells are what was measured, or is expected, of some pairs.
type Cells map[Pair]Cell

// Matrix is the text form of Cells: tables whose rows are sources and whose
// columns are destinations. Expectations are written in it, and measurements
// are shown in it.
type Matrix struct {
	// Note says what the matrix shows and why.
	Note string
	// Cells has all pairs of the tables but those that are Untried.
	Cells  Cells
	tables []table
}

// table is one block of a matrix. A destination's name is in two lines.
type table struct {
	sources      []string
	destinations [][2]string
}

func (t table) destination(column int) string {
	return t.destinations[column][0] + ":" + t.destinations[column][1]
}

// ParseMatrix reads a matrix: lines beginning with # are the note; tables are
// set off by empty lines, and begin with two lines that name the destinations.
func ParseMatrix(text string) (*Matrix, error) {
	m := &Matrix{Cells: Cells{}}
	var note []string
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(block, "\n")
		if strings.HasPrefix(block, "#") {
			for _, line := range lines {
				note = append(note, strings.TrimSpace(strings.TrimPrefix(line, "#")))
			}
			continue
		}
		if err := m.parseTable(lines); err != nil {
			return nil, err
		}
	}
	m.Note = strings.Join(note, "\n")
	return m, nil
}

func (m *Matrix) parseTable(lines []string) error {
	if len(lines) < 3 {
		return fmt.Errorf("table %q: has %d lines: give two that name destinations, and one for each source", lines[0], len(lines))
	}
	var t table
	above, below := strings.Fields(lines[0]), strings.Fields(lines[1])
	if len(above) != len(below) {
		return fmt.Errorf("table %q: its first two lines name %d and %d destinations", lines[0], len(above), len(below))
	}
	for i := range above {
		t.destinations = append(t.destinations, [2]string{above[i], below[i]})
	}
	for _, line := range lines[2:] {
		if err := m.parseRow(&t, strings.Fields(line)); err != nil {
			return err
		}
	}
	m.tables = append(m.tables, t)
	return nil
}

func (m *Matrix) parseRow(t *table, fields []string) error {
	if len(fields) != len(t.destinations)+1 {
		return fmt.Errorf("row %q: has %d cells, and there are %d destinations", fields[0], len(fields)-1, len(t.destinations))
	}
	t.sources = append(t.sources, fields[0])
	for column, field := range fields[1:] {
		switch cell := Cell(field); cell {
		case Yes, No:
			m.Cells[Pair{Source: fields[0], Destination: t.destination(column)}] = cell
		case Untried:
		default:
			return fmt.Errorf("row %q: cell %q: give yes, no or a dot", fields[0], field)
		}
	}
	return nil
}

// Pairs lists the pairs in the order of the tables: row by row.
func (m *Matrix) Pairs() []Pair {
	var pairs []Pair
	for _, t := range m.tables {
		for _, source := range t.sources {
			for column := range t.destinations {
				pair := Pair{Source: source, Destination: t.destination(column)}
				if _, tried := m.Cells[pair]; tried {
					pairs = append(pairs, pair)
				}
			}
		}
	}
	return pairs
}

// Differing lists the pairs whose cells are not those of other, in order.
func (m *Matrix) Differing(other Cells) []Pair {
	var pairs []Pair
	for _, pair := range m.Pairs() {
		if m.Cells[pair] != other[pair] {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// Show writes cells in the layout of the matrix. The function decorate is given
// each cell's text, already padded, and may add to it what takes no space.
func (m *Matrix) Show(cells Cells, decorate func(pair Pair, text string) string) string {
	var out strings.Builder
	for i, t := range m.tables {
		if i > 0 {
			out.WriteString("\n")
		}
		t.show(&out, cells, decorate)
	}
	return out.String()
}

func (t table) show(out *strings.Builder, cells Cells, decorate func(Pair, string) string) {
	first := 0
	for _, source := range t.sources {
		first = max(first, len(source))
	}
	for line := range 2 {
		fmt.Fprintf(out, "%-*s", first, "")
		for _, d := range t.destinations {
			fmt.Fprintf(out, " %-*s", columnWidth(d), d[line])
		}
		out.WriteString("\n")
	}
	for _, source := range t.sources {
		fmt.Fprintf(out, "%-*s", first, source)
		for column, d := range t.destinations {
			pair := Pair{Source: source, Destination: t.destination(column)}
			cell, tried := cells[pair]
			if !tried {
				cell = Untried
			}
			out.WriteString(" " + decorate(pair, fmt.Sprintf("%-*s", columnWidth(d), cell)))
		}
		out.WriteString("\n")
	}
}

// columnWidth leaves room for a mark after the longest cell.
func columnWidth(destination [2]string) int {
	return max(len(destination[0]), len(destination[1]), len(Yes)+1)
}
