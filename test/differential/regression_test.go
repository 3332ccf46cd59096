// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tierwall/tierwall/test/differential"
)

// Every difference that was ever found is here as a file, named for what was
// wrong.
func TestRegressions(t *testing.T) {
	kernel := newKernel(t)
	files, err := filepath.Glob("testdata/regressions/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			states, err := differential.Decode(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := differential.CheckCompiler(states); err != nil {
				t.Error(err)
			}
			if err := tear(states, 1); err != nil {
				t.Error(err)
			}
			if _, err := kernel.Check(t.Context(), states, 1); err != nil {
				t.Error(err)
			}
		})
	}
}
