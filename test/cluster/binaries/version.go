// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// buildEnv makes static binaries that run in an image without a C library, and
// keeps the Go workspace and flags of the user out of it.
func buildEnv() []string {
	return []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false"}
}

// linkerFlags strips the binaries, and stamps those of Kubernetes: clients
// cannot parse the version of an unstamped one.
func linkerFlags(moduleDir string) (string, error) {
	flags := "-s -w"
	version, err := requiredVersion(filepath.Join(moduleDir, "go.mod"), kubernetesModule)
	if errors.Is(err, errNotRequired) {
		return flags, nil
	}
	if err != nil {
		return "", err
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s -X %[1]s.gitTreeState=clean",
			pkg, version, major, minor)
	}
	return flags, nil
}

const kubernetesModule = "k8s.io/kubernetes"

var errNotRequired = errors.New("not required")

func requiredVersion(goMod, module string) (string, error) {
	content, err := os.ReadFile(goMod)
	if err != nil {
		return "", fmt.Errorf("read pinned versions: %w", err)
	}
	file, err := modfile.Parse(goMod, content, nil)
	if err != nil {
		return "", fmt.Errorf("read pinned versions: %w", err)
	}
	for _, r := range file.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s: module %s: %w", goMod, module, errNotRequired)
}

// sourceDir is the directory of this package in the work tree. The modules in
// it are not part of this module, so that they cannot be embedded.
func sourceDir(ctx context.Context) (string, error) {
	const pkg = "github.com/tierwall/tierwall/test/cluster/binaries"
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return "", fmt.Errorf("find package %s (run in Tierwall's work tree, with Go installed): %w", pkg, withStderr(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// versionKey changes with all that can change the binaries.
func versionKey(ctx context.Context, source string) (string, error) {
	sum := sha256.New()
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return "", fmt.Errorf("ask for the Go version: %w", withStderr(err))
	}
	kubernetes := filepath.Join(source, "kubernetes")
	flags, err := linkerFlags(kubernetes)
	if err != nil {
		return "", err
	}
	sum.Write(fmt.Appendf(nil, "%s%s%s\n", out, buildEnv(), flags))
	err = filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Dir(path) == source {
			return err
		}
		return addFile(sum, source, path)
	})
	if err != nil {
		return "", fmt.Errorf("hash the modules of the binaries: %w", err)
	}
	release, err := requiredVersion(filepath.Join(kubernetes, "go.mod"), kubernetesModule)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s-%x", release, sum.Sum(nil)[:6]), nil
}

func addFile(sum hash.Hash, source, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(source, path)
	if err != nil {
		return err
	}
	sum.Write(fmt.Appendf(nil, "%s %d\n", relative, len(content)))
	sum.Write(content)
	return nil
}

func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
