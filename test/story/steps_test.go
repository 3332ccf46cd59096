// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEverySampleIsAStep(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/[0-9]*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The namespaces are there before the first step.
	want := slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "00-namespaces.yaml" })
	steps, err := Steps()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, filepath.Join("../..", s.Sample()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples without a step (-) and steps without a sample (+):\n%s", diff)
	}
}

func TestExpectationsSpeakOfTheSamePairs(t *testing.T) {
	before, err := Before()
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Steps()
	if err != nil {
		t.Fatal(err)
	}
	previous := before
	for _, s := range steps {
		if diff := cmp.Diff(before.Pairs(), s.Expected.Pairs()); diff != "" {
			t.Errorf("%s: other pairs than before:\n%s", s.Name, diff)
		}
		if len(s.Expected.Differing(previous.Cells)) == 0 {
			t.Errorf("%s: changes no cell", s.Name)
		}
		if s.Expected.Note == "" {
			t.Errorf("%s: does not say why", s.Name)
		}
		previous = s.Expected
	}
}

func TestEveryDestinationIsKnown(t *testing.T) {
	before, err := Before()
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range before.Pairs() {
		if _, ok := destinations()[pair.Destination]; !ok {
			t.Errorf("nobody knows where %q is", pair.Destination)
		}
	}
}

func TestShowWritesWhatParseReads(t *testing.T) {
	text, err := os.ReadFile("expected/80-legacy-port-range.txt")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMatrix(string(text))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := ParseMatrix(m.Show(m.Cells, func(_ Pair, text string) string { return text }))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Cells, shown.Cells); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(m.Pairs(), shown.Pairs()); diff != "" {
		t.Error(diff)
	}
}

func TestParseMatrixRefuses(t *testing.T) {
	const header = "    web  api\n    80   443\n"
	tests := map[string]struct{ text, want string }{
		"a table without rows":    {header, "has 2 lines"},
		"a short second header":   {"    web api\n    80\na   yes no\n", "2 and 1 destinations"},
		"a row with a cell less":  {header + "a   yes\n", "has 1 cells"},
		"a cell that is no value": {header + "a   yes maybe\n", `cell "maybe"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseMatrix(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}
