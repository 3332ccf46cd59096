// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/tierwall/tierwall/test/cluster/image"
)

// entry is what of a file in a layer matters.
type entry struct {
	Type    byte
	Mode    int64
	Link    string
	Content string
}

func TestArchiveHoldsFilesAndConfiguration(t *testing.T) {
	dir := t.TempDir()
	cfg := image.Config{
		Names: []string{"tierwall/tool:dev", "tierwall/tool:other"},
		Files: map[string]string{
			"/usr/bin/tool":  write(t, dir, "tool", "program", 0o700),
			"/etc/tool.conf": write(t, dir, "tool.conf", "text", 0o600),
		},
		Links:      map[string]string{"/tool": "usr/bin/tool"},
		Entrypoint: []string{"/tool"}, Cmd: []string{"serve"}, Env: []string{"A=b"}, User: "65532", WorkingDir: "/etc",
	}
	archive := filepath.Join(dir, "tool.tar")
	if err := image.WriteArchive(archive, cfg); err != nil {
		t.Fatal(err)
	}
	for _, tagName := range cfg.Names {
		img := read(t, archive, tagName)
		want := map[string]entry{
			"etc/":          {Type: tar.TypeDir, Mode: 0o755},
			"etc/tool.conf": {Type: tar.TypeReg, Mode: 0o644, Content: "text"},
			"tool":          {Type: tar.TypeSymlink, Mode: 0o777, Link: "usr/bin/tool"},
			"usr/":          {Type: tar.TypeDir, Mode: 0o755},
			"usr/bin/":      {Type: tar.TypeDir, Mode: 0o755},
			"usr/bin/tool":  {Type: tar.TypeReg, Mode: 0o755, Content: "program"},
		}
		if diff := cmp.Diff(want, entries(t, img)); diff != "" {
			t.Errorf("files of %s (-want +got):\n%s", tagName, diff)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		wantConfig := v1.Config{
			Entrypoint: []string{"/tool"}, Cmd: []string{"serve"}, Env: []string{"A=b"}, User: "65532", WorkingDir: "/etc",
		}
		if diff := cmp.Diff(wantConfig, file.Config); diff != "" {
			t.Errorf("configuration of %s (-want +got):\n%s", tagName, diff)
		}
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "tool", "program", 0o755)
	var archives [2][]byte
	for i := range archives {
		cfg := image.Config{Names: []string{"tierwall/tool:dev"}, Files: map[string]string{"/a": file, "/b/c": file, "/d": file}}
		archive := filepath.Join(dir, "tool.tar")
		if err := image.WriteArchive(archive, cfg); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = content
		// A file's time is no part of the image.
		write(t, dir, "tool", "program", 0o755)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same input differ")
	}
}

func TestBadInputIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "tool", "program", 0o755)
	files := map[string]string{"/tool": file}
	for name, c := range map[string]struct {
		cfg  image.Config
		want string
	}{
		"no name":         {image.Config{Files: files}, "Names is empty"},
		"no tag":          {image.Config{Names: []string{"tierwall/tool"}, Files: files}, `"tierwall/tool" has no tag`},
		"upper-case name": {image.Config{Names: []string{"Tierwall/tool:dev"}, Files: files}, "Names"},
		"no file":         {image.Config{Names: []string{"tierwall/tool:dev"}}, "Files is empty"},
		"relative path":   {image.Config{Names: []string{"t/t:dev"}, Files: map[string]string{"tool": file}}, `"tool" in Files`},
		"missing file":    {image.Config{Names: []string{"t/t:dev"}, Files: map[string]string{"/tool": file + "x"}}, "add /tool"},
		"directory":       {image.Config{Names: []string{"t/t:dev"}, Files: map[string]string{"/tool": dir}}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			err := image.WriteArchive(filepath.Join(dir, "out.tar"), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func write(t *testing.T, dir, base, content string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, base)
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, archive, tagName string) v1.Image {
	t.Helper()
	tag, err := name.NewTag(tagName)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func entries(t *testing.T, img v1.Image) map[string]entry {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, error %v; want one layer", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]entry{}
	r := tar.NewReader(content)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[header.Name] = entry{Type: header.Typeflag, Mode: header.Mode, Link: header.Linkname, Content: string(data)}
	}
}
