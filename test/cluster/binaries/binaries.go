// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package binaries builds the programs of a test cluster from their Go modules
// and keeps them in a cache outside the work tree.
//
// Each directory beside this file is a module of its own that pins one source.
// A program is built once for each state of its module, Go version and build
// flags; a changed pin builds into another directory of the cache.
package binaries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// program says how a binary is built.
type program struct {
	// module is the directory beside this file that pins the source.
	module string
	// pkg is the package to build.
	pkg string
}

func programs() map[string]program {
	return map[string]program{
		"etcd":                    {module: "etcd", pkg: "go.etcd.io/etcd/server/v3"},
		"kube-apiserver":          {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-apiserver"},
		"kube-controller-manager": {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager"},
		"kube-scheduler":          {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-scheduler"},
		"kubelet":                 {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kubelet"},
		"kube-proxy":              {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-proxy"},
		"kubectl":                 {module: "kubernetes", pkg: "k8s.io/kubernetes/cmd/kubectl"},
		"agnhost":                 {module: "kubernetes", pkg: "k8s.io/kubernetes/test/images/agnhost"},
		"coredns":                 {module: "coredns", pkg: "."},
		"agnhost-shim":            {module: "helpers", pkg: "./agnhost-shim"},
		"forward":                 {module: "helpers", pkg: "./forward"},
		"pause":                   {module: "helpers", pkg: "./pause"},
	}
}

// Names lists the binaries there are.
func Names() []string { return slices.Sorted(maps.Keys(programs())) }

// Config says what to build.
type Config struct {
	// Names are the binaries wanted; all when empty.
	Names []string
	// Progress receives a line for each binary that has to be built. May be nil.
	Progress func(format string, args ...any)
}

// Build builds what the cache lacks and returns a directory that holds the
// binaries of cfg.Names, and perhaps others, under their names. Programs that
// build at the same time wait for each other. Cold, on two cores, all of it
// takes about five minutes.
func Build(ctx context.Context, cfg Config) (string, error) {
	names, err := cfg.names()
	if err != nil {
		return "", err
	}
	b, err := newBuilder(ctx, cfg)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return "", fmt.Errorf("make binary cache: %w", err)
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, name := range names {
		if err := b.ensure(ctx, name); err != nil {
			return "", fmt.Errorf("build %s: %w", name, err)
		}
	}
	return b.dir, nil
}

// CacheDir is where this package and the test cluster keep what can be made again.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory (set XDG_CACHE_HOME or HOME): %w", err)
	}
	return filepath.Join(dir, "tierwall"), nil
}

func (c Config) names() ([]string, error) {
	known := programs()
	for _, name := range c.Names {
		if _, ok := known[name]; !ok {
			return nil, fmt.Errorf("binary %q is unknown: the test cluster has %s", name, strings.Join(Names(), ", "))
		}
	}
	if len(c.Names) == 0 {
		return Names(), nil
	}
	return c.Names, nil
}

type builder struct {
	progress func(format string, args ...any)
	// source holds the modules' directories and dir the finished binaries.
	source string
	dir    string
}

func newBuilder(ctx context.Context, cfg Config) (*builder, error) {
	source, err := sourceDir(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	key, err := versionKey(ctx, source)
	if err != nil {
		return nil, err
	}
	progress := cfg.Progress
	if progress == nil {
		progress = func(string, ...any) {}
	}
	return &builder{progress: progress, source: source, dir: filepath.Join(cache, "binaries", key)}, nil
}

// lock waits until no other program builds into the directory.
func (b *builder) lock(ctx context.Context) (func(), error) {
	file, err := os.OpenFile(filepath.Join(b.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock binary cache: %w", err)
	}
	waiting := false
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock binary cache: %w", err)
		}
		if !waiting {
			waiting = true
			b.progress("waiting for another program that builds the binaries")
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("wait for the lock of binary cache %s: %w", b.dir, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *builder) ensure(ctx context.Context, name string) error {
	target := filepath.Join(b.dir, name)
	_, err := os.Stat(target)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	start := time.Now()
	b.progress("building %s (once; kept in the cache)", name)
	p := programs()[name]
	flags, err := linkerFlags(filepath.Join(b.source, p.module))
	if err != nil {
		return err
	}
	// A build that is cut short leaves a file that nobody takes for finished.
	partial := target + ".partial"
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-ldflags", flags, "-o", partial, p.pkg)
	cmd.Dir = filepath.Join(b.source, p.module)
	cmd.Env = append(os.Environ(), buildEnv()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", p.pkg, cmd.Dir, err, out)
	}
	if err := os.Rename(partial, target); err != nil {
		return fmt.Errorf("put into binary cache: %w", err)
	}
	b.progress("built %s in %s", name, time.Since(start).Round(time.Second))
	return nil
}
