// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package fakecluster

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"
)

// Usage is what a process uses of the machine.
type Usage struct {
	// CPU is the time on a CPU since it started.
	CPU time.Duration
	// Resident is the memory it has now and Peak the most it had, in bytes.
	Resident, Peak uint64
}

// UsageOf returns what the process with that number uses.
func UsageOf(pid int) (Usage, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return Usage{}, err
	}
	status, err := proc.NewStatus()
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: time.Duration(stat.CPUTime() * float64(time.Second)), Resident: status.VmRSS, Peak: status.VmHWM}, nil
}

// UsageOf returns what a server of the cluster uses: "kube-apiserver" or "etcd".
func (c *Cluster) UsageOf(server string) (Usage, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return Usage{}, err
	}
	for _, proc := range procs {
		stat, err := proc.Stat()
		if err == nil && stat.Comm == server && stat.PPID == os.Getpid() {
			return UsageOf(proc.PID)
		}
	}
	return Usage{}, fmt.Errorf("no process %s of this program", server)
}
