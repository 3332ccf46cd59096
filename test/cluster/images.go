// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/network-policy-api/conformance"

	"github.com/tierwall/tierwall/test/cluster/binaries"
	"github.com/tierwall/tierwall/test/cluster/image"
)

// AgnhostImage is the image with agnhost, bash and busybox, for test pods. The
// nodes also know it under the names that the upstream conformance suite uses.
const AgnhostImage = "tierwall/agnhost:test"

const (
	pauseImage   = "tierwall/pause:test"
	corednsImage = "tierwall/coredns:test"

	bashStatic    = "/bin/bash-static"
	busyboxStatic = "/bin/busybox"
)

// buildImages makes the archives of the cluster's own images, unless the cache
// has them, and returns their paths in the order to import them.
func buildImages(ctx context.Context, binDir string, progress func(string, ...any)) ([]string, error) {
	cache, err := binaries.CacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make image cache: %w", err)
	}
	configs, err := imageConfigs(binDir)
	if err != nil {
		return nil, err
	}
	archives := make([]string, 0, len(configs))
	for _, cfg := range configs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		archive, err := cachedImage(dir, cfg, progress)
		if err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

func imageConfigs(binDir string) ([]image.Config, error) {
	upstream, err := upstreamAgnhostNames()
	if err != nil {
		return nil, err
	}
	bin := func(name string) string { return filepath.Join(binDir, name) }
	return []image.Config{
		{Names: []string{pauseImage}, Files: map[string]string{"/pause": bin("pause")}, Entrypoint: []string{"/pause"}},
		{
			Names: []string{corednsImage}, Files: map[string]string{"/coredns": bin("coredns")},
			Entrypoint: []string{"/coredns"},
		},
		{
			Names: append([]string{AgnhostImage}, upstream...),
			Files: map[string]string{
				"/agnhost": bin("agnhost-shim"), "/agnhost.real": bin("agnhost"),
				"/bin/bash": bashStatic, "/bin/busybox": busyboxStatic,
			},
			Links:      busyboxLinks(),
			Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"},
		},
	}, nil
}

// busyboxLinks are the commands of the agnhost image that tests use. wget is
// not among them: Debian's static one crashes.
func busyboxLinks() map[string]string {
	links := map[string]string{}
	for _, applet := range []string{
		"cat", "echo", "env", "false", "grep", "head", "hostname", "id", "ip", "ls", "nc", "nslookup", "ping",
		"ping6", "ps", "sh", "sleep", "tail", "timeout", "true",
	} {
		links["/bin/"+applet] = "busybox"
	}
	return links
}

// upstreamAgnhostNames reads the names of the images that the manifests of the
// upstream conformance suite use. All of them are agnhost.
func upstreamAgnhostNames() ([]string, error) {
	field := regexp.MustCompile(`(?m)^\s*(?:- )?image:\s*"?([^\s"]*/agnhost:[^\s"]+)"?\s*$`)
	names := map[string]bool{}
	err := fs.WalkDir(conformance.Manifests, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(conformance.Manifests, path)
		if err != nil {
			return err
		}
		for _, match := range field.FindAllSubmatch(content, -1) {
			names[string(match[1])] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the manifests of the upstream conformance suite: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("the manifests of the upstream conformance suite name no agnhost image: adapt test/cluster to this release")
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// cachedImage keeps an archive under a name that changes with its content.
func cachedImage(dir string, cfg image.Config, progress func(string, ...any)) (string, error) {
	key, err := imageKey(cfg)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", cfg.Names[0], err)
	}
	archive := filepath.Join(dir, key+".tar")
	_, err = os.Stat(archive)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return archive, err
	}
	progress("making image %s (once; kept in the cache)", cfg.Names[0])
	partial, err := os.CreateTemp(dir, key+".partial")
	if err != nil {
		return "", fmt.Errorf("image %s: %w", cfg.Names[0], err)
	}
	_ = partial.Close()
	if err := image.WriteArchive(partial.Name(), cfg); err != nil {
		return "", errors.Join(err, os.Remove(partial.Name()))
	}
	return archive, os.Rename(partial.Name(), archive)
}

func imageKey(cfg image.Config) (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(cfg); err != nil {
		return "", err
	}
	for _, target := range slices.Sorted(maps.Keys(cfg.Files)) {
		file, err := os.Open(cfg.Files[target])
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, file)
		_ = file.Close()
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:12]), nil
}

// LoadImage imports an archive made by package image, `docker save` or alike
// into every node. A pod that names the image must not ask to always pull it.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	nodes, ctx := errgroup.WithContext(ctx)
	for _, node := range c.Nodes() {
		nodes.Go(func() error { return c.importImage(ctx, node, archive) })
	}
	return nodes.Wait()
}

func (c *Cluster) importImage(ctx context.Context, node, archive string) error {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	if out, err := c.ctr(ctx, node, "--namespace=k8s.io", "images", "import", archive); err != nil {
		return fmt.Errorf("%s: import image archive %s: %w: %s", node, archive, err, bytes.TrimSpace(out))
	}
	return nil
}

// ctr runs containerd's command-line client for a node.
func (c *Cluster) ctr(ctx context.Context, node string, args ...string) ([]byte, error) {
	socket := c.path(node, "run", "containerd", "containerd.sock")
	return exec.CommandContext(ctx, "ctr", append([]string{"--address=" + socket}, args...)...).CombinedOutput()
}
