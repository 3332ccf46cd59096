// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/test/bench/fakecluster"
)

// syncTimeout is how long an agent may take to get in sync.
const syncTimeout = 2 * time.Minute

// process is the real agent's binary, running.
type process struct {
	cmd *exec.Cmd
	// started is when it was started, synced when it enforced for the first
	// time.
	started, synced time.Time
	lines           chan string
	done            chan error
}

// startProcess starts the agent for a cluster's first node, and returns when it
// enforces.
func startProcess(cluster *fakecluster.Cluster) (*process, error) {
	p := &process{lines: make(chan string, 100), done: make(chan error, 1)}
	p.cmd = exec.Command("bin/agent", "--node-name="+fakecluster.NodeName(0), "--zap-encoder=json",
		"--dns-state-file="+filepath.Join(filepath.Dir(cluster.Kubeconfig), "domain-names"))
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The kernel kills the agent when the thread that started it ends.
		runtime.LockOSThread()
		p.started = time.Now()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
		p.done <- p.cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the agent (make build): %w", err)
	}
	return p, p.awaitSync()
}

// awaitSync reads the log until the agent says that it enforces.
func (p *process) awaitSync() error {
	deadline := time.After(syncTimeout)
	var last string
	for {
		select {
		case last = <-p.lines:
			if strings.Contains(last, `"Enforcing"`) {
				p.synced = time.Now()
				go p.discard()
				return nil
			}
		case err := <-p.done:
			return fmt.Errorf("the agent ended: %w; its last words: %s", err, last)
		case <-deadline:
			return errors.Join(fmt.Errorf("the agent is not in sync after %s; its last words: %s", syncTimeout, last), p.cmd.Process.Kill())
		}
	}
}

// discard reads the rest of the log, so that the agent need not wait.
func (p *process) discard() {
	for line := range p.lines {
		if strings.Contains(line, `"error"`) {
			fmt.Fprintln(os.Stderr, line)
		}
	}
}

// stop has the agent end by itself.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop the agent: %w", err)
	}
	err := <-p.done
	close(p.lines)
	return err
}

func (p *process) usage() (fakecluster.Usage, error) {
	return fakecluster.UsageOf(p.cmd.Process.Pid)
}

// mebibytes formats an amount of memory.
func mebibytes(bytes uint64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }
