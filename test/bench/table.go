// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// table is a Markdown table in the making.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quantile returns the q-th quantile of samples (0 to 1); it sorts them.
func quantile[T ~int64 | ~float64](samples []T, q float64) T {
	slices.Sort(samples)
	return samples[min(int(q*float64(len(samples))), len(samples)-1)]
}

// median is that of all rounds but the first, which warms up.
func median[T ~int64 | ~float64](samples []T) T { return quantile(slices.Clone(samples[1:]), 0.5) }

// ratios returns what each sample is to the other of the same round. Their median
// says more than the ratio of medians: a machine that is slow for a while is so for
// both.
func ratios[T ~int64 | ~float64](samples, other []T) []float64 {
	all := make([]float64, len(samples))
	for i := range samples {
		all[i] = float64(samples[i]) / float64(other[i])
	}
	return all
}

// decimals formats a ratio.
func decimals(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

// micros formats a time in microseconds.
func micros(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Nanoseconds())/1e3) }

// millis formats a time in milliseconds.
func millis(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Nanoseconds())/1e6) }
