// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stateRoot holds a directory for each cluster. It is the same in every
// environment, so that what a crashed run left is always found; on a real disk;
// visible inside the nodes; and in a place where only root can make it.
const stateRoot = "/var/cache/tierwall-testcluster"

// state is what Attach needs of a running cluster.
type state struct {
	Config   Config `json:"config"`
	Binaries string `json:"binaries"`
	// Containerds are the process numbers of the nodes' containerds, by node
	// name: they lead to the namespaces of the node. The control group of the
	// cluster tells whether such a number is still the cluster's.
	Containerds map[string]int `json:"containerds"`
	Hosts       []HostConfig   `json:"hosts,omitempty"`
}

// logsDir is the directory of log files in that of a cluster.
const logsDir = "logs"

func stateDir(name string) string { return filepath.Join(stateRoot, name) }

func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{stateDir(c.state.Config.Name)}, elements...)...)
}

// save writes the state; a reader sees the old or the new one.
func (c *Cluster) save() error {
	content, err := json.MarshalIndent(c.state, "", "  ")
	if err != nil {
		return fmt.Errorf("cluster %s: encode state: %w", c.state.Config.Name, err)
	}
	partial := c.path("state.json.partial")
	if err := os.WriteFile(partial, content, 0o600); err != nil {
		return fmt.Errorf("cluster %s: write state: %w", c.state.Config.Name, err)
	}
	if err := os.Rename(partial, c.path("state.json")); err != nil {
		return fmt.Errorf("cluster %s: write state: %w", c.state.Config.Name, err)
	}
	return nil
}

func load(name string) (state, error) {
	var s state
	content, err := os.ReadFile(filepath.Join(stateDir(name), "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("cluster %s: %w", name, ErrNotRunning)
	}
	if err != nil {
		return s, fmt.Errorf("cluster %s: read state: %w", name, err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("cluster %s: read state: %w", name, err)
	}
	return s, nil
}

// lock makes the cluster's directory and keeps other programs from starting or
// cleaning up a cluster of the same name. The kernel lets go of it when this
// program ends, however it ends.
func lock(name string) (unlock func(), err error) {
	if err := os.MkdirAll(stateDir(name), 0o755); err != nil {
		return nil, fmt.Errorf("cluster %s: make directory: %w", name, err)
	}
	dir, err := os.Open(stateDir(name))
	if err != nil {
		return nil, fmt.Errorf("cluster %s: lock: %w", name, err)
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		_ = dir.Close()
		return nil, fmt.Errorf("cluster %s: another program is starting it or cleaning it up: wait for it, or use another name", name)
	}
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("cluster %s: lock: %w", name, err)
	}
	return func() { _ = dir.Close() }, nil
}
