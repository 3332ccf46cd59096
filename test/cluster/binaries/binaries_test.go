// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tierwall/tierwall/test/cluster/binaries"
)

func TestBuildsOnceIntoTheCache(t *testing.T) {
	// The Go build cache has its own variable, and HOME is what it falls back to.
	goCache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache)))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())

	var mu sync.Mutex
	built := 0
	progress := func(format string, _ ...any) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(format, "built") {
			built++
		}
	}
	// At the same time, as two test packages would.
	var dirs [2]string
	var errs [2]error
	var builds sync.WaitGroup
	for i := range dirs {
		builds.Go(func() {
			dirs[i], errs[i] = binaries.Build(t.Context(), binaries.Config{Names: []string{"pause"}, Progress: progress})
		})
	}
	builds.Wait()
	if errs[0] != nil || errs[1] != nil || dirs[0] != dirs[1] {
		t.Fatalf("builds gave directories %q, errors %v", dirs, errs)
	}
	if built != 1 {
		t.Errorf("pause was built %d times, want once", built)
	}
	info, err := os.Stat(filepath.Join(dirs[0], "pause"))
	if err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("pause is no program: %v, error %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "kubelet")); !os.IsNotExist(err) {
		t.Errorf("kubelet was built too, or: %v", err)
	}
}

func TestUnknownBinaryIsNamed(t *testing.T) {
	_, err := binaries.Build(t.Context(), binaries.Config{Names: []string{"kubeadm"}})
	if err == nil || !strings.Contains(err.Error(), `"kubeadm"`) || !strings.Contains(err.Error(), "kubelet") {
		t.Errorf("error is %v, want one that names kubeadm and what there is", err)
	}
}
