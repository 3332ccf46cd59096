// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Config describes a process to start.
type Config struct {
	// Name stands in error messages and names the log file.
	Name string
	// Command is the program's absolute path and its arguments.
	Command []string
	// LogFile receives its output; it is made, or appended to.
	LogFile string
	// Group is the control group that it joins.
	Group Group
	// Files are inherited from file descriptor 3 on.
	Files []*os.File
	// Within runs the start inside the namespaces that the process shall have,
	// on a thread that ends with it.
	Within func(func() error) error
}

// Process is a running process that this program started.
type Process struct {
	cfg    Config
	cmd    *exec.Cmd
	exited chan struct{}
}

// environment is all that daemons see of the starter's: nothing of the user's
// shell changes how a cluster behaves.
func environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
}

// Start starts a process that outlives this program, in a session of its own.
func Start(cfg Config) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(cfg.LogFile), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	log, err := os.OpenFile(cfg.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	defer log.Close() //nolint:errcheck // The child holds its own copy.
	cmd := exec.Command(cfg.Command[0], cfg.Command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = environment(), log, log, cfg.Files
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cfg.Within(func() error { return cfg.Group.Start(cmd) }); err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	p := &Process{cfg: cfg, cmd: cmd, exited: make(chan struct{})}
	go p.reap()
	return p, nil
}

// PID is the process's number; it is its own as long as Exited is not closed.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop kills the process and waits for its end. It may be repeated.
func (p *Process) Stop() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("stop %s: %w", p.cfg.Name, err)
	}
	<-p.exited
	return nil
}

// Failure describes a process that ended, with the last lines of its log. It
// is nil while the process runs.
func (p *Process) Failure() error {
	select {
	case <-p.exited:
	default:
		return nil
	}
	return fmt.Errorf("%s ended (%s); its log %s ends with:\n%s",
		p.cfg.Name, p.cmd.ProcessState, p.cfg.LogFile, lastLines(p.cfg.LogFile, 15))
}

func (p *Process) reap() {
	// How it ended is read from the process state.
	_ = p.cmd.Wait()
	close(p.exited)
}

func lastLines(file string, count int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
