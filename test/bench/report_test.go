// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/plotter"
)

func TestTablesAreReadBack(t *testing.T) {
	want := []*table{
		{title: "First: of two", head: []string{"form", "count", "µs"}, rows: [][]string{{"a", "10", "5.10"}, {"b", "10", "6"}, {"a", "100", "5.2"}}},
		{title: "Second", head: []string{"x"}, rows: [][]string{{"1"}}},
	}
	var b strings.Builder
	for _, table := range want {
		if err := table.write(&b); err != nil {
			t.Fatal(err)
		}
	}
	got, err := parseTables(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(table{})); diff != "" {
		t.Error(diff)
	}
	lines, names, err := figure{series: "form", x: "count", y: "µs"}.lines(got[0])
	if err != nil {
		t.Fatal(err)
	}
	wantLines := map[string]plotter.XYs{"a": {{X: 10, Y: 5.1}, {X: 100, Y: 5.2}}, "b": {{X: 10, Y: 6}}}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestExponent(t *testing.T) {
	x := []float64{10, 100, 1000}
	for name, test := range map[string]struct {
		y    []float64
		want float64
	}{
		"constant":  {[]float64{5, 5, 5}, 0},
		"linear":    {[]float64{3, 30, 300}, 1},
		"quadratic": {[]float64{1, 100, 10000}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exponent(x, test.y); math.Abs(got-test.want) > 1e-9 {
				t.Errorf("exponent %f, want %f", got, test.want)
			}
		})
	}
}
