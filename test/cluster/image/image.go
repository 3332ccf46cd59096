// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image makes container images out of files, without a container
// engine: one layer, a configuration and the names the image goes by, in an
// archive that containerd imports. The same input gives the same bytes.
package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Config describes an image.
type Config struct {
	// Names are the tagged names of the image, such as "tierwall/agent:dev".
	// At least one is required. A name without a registry gets the default one
	// of container engines, as it does in a pod's image field.
	Names []string
	// Files maps an absolute path in the image to the file on this machine whose
	// content and executable bit it gets. Directories on the way are made.
	// At least one is required.
	Files map[string]string
	// Links maps an absolute path in the image to what a symbolic link there
	// points to. May be empty.
	Links map[string]string
	// Entrypoint is the command that a container runs, and Cmd its default
	// arguments. Both may be empty when every pod names a command.
	Entrypoint []string
	Cmd        []string
	// Env holds NAME=VALUE entries.
	Env []string
	// User is the numeric "UID" or "UID:GID" to run as; empty means root.
	User string
	// WorkingDir defaults to "/".
	WorkingDir string
}

// WriteArchive writes the image to a file that `ctr image import` takes,
// replacing one that is there. An error names the field or the file at fault.
func WriteArchive(file string, cfg Config) error {
	tags, err := cfg.validate()
	if err != nil {
		return err
	}
	img, err := cfg.build()
	if err != nil {
		return fmt.Errorf("image %s: %w", cfg.Names[0], err)
	}
	images := make(map[name.Tag]v1.Image, len(tags))
	for _, tag := range tags {
		images[tag] = img
	}
	if err := tarball.MultiWriteToFile(file, images); err != nil {
		return fmt.Errorf("image %s: write archive %s: %w", cfg.Names[0], file, err)
	}
	return nil
}

func (c Config) validate() ([]name.Tag, error) {
	if len(c.Names) == 0 {
		return nil, errors.New("image: Names is empty: give at least one name such as tierwall/agent:dev")
	}
	if len(c.Files) == 0 {
		return nil, fmt.Errorf("image %s: Files is empty: give at least one file", c.Names[0])
	}
	for target := range merged(c.Files, c.Links) {
		if !path.IsAbs(target) || path.Clean(target) != target || target == "/" {
			return nil, fmt.Errorf("image %s: %q in Files or Links is not a clean absolute path of a file", c.Names[0], target)
		}
	}
	tags := make([]name.Tag, 0, len(c.Names))
	for _, n := range c.Names {
		tag, err := name.NewTag(n, name.WithDefaultTag(""))
		if err != nil {
			return nil, fmt.Errorf("image: Names: %w", err)
		}
		if tag.TagStr() == "" {
			return nil, fmt.Errorf("image: Names: %q has no tag: append one, as in %s:dev", n, n)
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

func (c Config) build() (v1.Image, error) {
	content, err := c.layer()
	if err != nil {
		return nil, err
	}
	// Not compressed: the archive only ever travels within one machine.
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(content, types.DockerUncompressedLayer))
	if err != nil {
		return nil, fmt.Errorf("append layer: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, User: c.User, WorkingDir: c.WorkingDir,
	}
	return mutate.ConfigFile(img, file)
}

// layer is the tar stream of the files, sorted and without anything that
// differs from one machine to the next.
func (c Config) layer() ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	made := map[string]bool{}
	for _, target := range slices.Sorted(maps.Keys(merged(c.Files, c.Links))) {
		if err := writeParents(w, target, made); err != nil {
			return nil, err
		}
		if err := c.writeEntry(w, target); err != nil {
			return nil, fmt.Errorf("add %s: %w", target, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("finish layer: %w", err)
	}
	return buffer.Bytes(), nil
}

func writeParents(w *tar.Writer, target string, made map[string]bool) error {
	var dirs []string
	for dir := path.Dir(target); dir != "/" && !made[dir]; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
		made[dir] = true
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		// World-writable with the sticky bit where programs expect a place for
		// temporary files, as on any system.
		mode := int64(0o755)
		if dir == "/tmp" {
			mode = 0o1777
		}
		header := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: mode}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("add directory %s: %w", dir, err)
		}
	}
	return nil
}

func (c Config) writeEntry(w *tar.Writer, target string) error {
	if source, ok := c.Files[target]; ok {
		return writeFile(w, target, source)
	}
	return w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeSymlink, Name: strings.TrimPrefix(target, "/"), Linkname: c.Links[target], Mode: 0o777,
	})
}

func writeFile(w *tar.Writer, target, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // Only read from.
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: source, Err: errors.New("not a regular file")}
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: strings.TrimPrefix(target, "/"), Mode: mode, Size: info.Size(),
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
