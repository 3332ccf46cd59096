// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tierwall/tierwall/test/cluster/internal/process"
)

// cniPlugins is where Debian puts the reference CNI plugins.
const cniPlugins = "/usr/lib/cni"

const installRemedy = "run hack/install-debs.sh"

// Preflight tells everything that this machine lacks for a test cluster, each
// with its remedy. It changes nothing.
func Preflight() error {
	errs := []error{process.Available()}
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("a test cluster needs root: network namespaces, mounts and control groups (run it as root)"))
	}
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			errs = append(errs, fmt.Errorf("program %s is not installed: %s", program, installRemedy))
		}
	}
	for _, file := range requiredFiles() {
		if _, err := os.Stat(file); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", err, installRemedy)) //nolint:errorlint // Nobody branches on the cause.
		}
	}
	errs = append(errs, checkOverlay())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("this machine cannot run a test cluster:\n%w", err)
	}
	return nil
}

func requiredFiles() []string {
	files := []string{bashStatic, busyboxStatic}
	for _, plugin := range []string{string(PTP), string(Bridge), "host-local", "loopback"} {
		files = append(files, filepath.Join(cniPlugins, plugin))
	}
	return files
}

func checkOverlay() error {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fmt.Errorf("list file systems of the kernel: %w", err)
	}
	if !strings.Contains(string(known), "\toverlay\n") {
		return errors.New("the kernel has no overlay file system: load it with `modprobe overlay`")
	}
	return nil
}
