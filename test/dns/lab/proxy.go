// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// ProxyConfig says how a proxy process works.
type ProxyConfig struct {
	// Dir has the proxy's state, and the socket to read its metrics from.
	Dir string
	// Patterns are the names and wildcards that rules have. The addresses of
	// names below "stuck.example" are never enforced.
	Patterns []string
	// Untrusted are addresses of servers whose answers are not learned.
	Untrusted []string
	// HoldTimeout, MinTTL, MaxTTL and SweepInterval are as of the proxy's
	// Config.
	HoldTimeout, MinTTL, MaxTTL, SweepInterval time.Duration
	// Names, AddressesPerName, Addresses, Queries and QueriesPerPod are as of
	// the proxy's Limits.
	Names, AddressesPerName, Addresses, Queries, QueriesPerPod int
}

// environment is the variable that makes a program the proxy.
const environment = "TIERWALL_DNS_LAB_PROXY"

// Main must be called first by programs that use StartProxy: it is the proxy if
// the program was started as one, and then does not return.
func Main() {
	text, ok := os.LookupEnv(environment)
	if !ok {
		return
	}
	var cfg ProxyConfig
	err := json.Unmarshal([]byte(text), &cfg)
	if err == nil {
		err = serveProxy(cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Proxy is a running proxy process.
type Proxy struct {
	config ProxyConfig
	cmd    *exec.Cmd
}

// StartProxy starts a proxy at the node, and returns once queries are brought to
// it.
func (l *Lab) StartProxy(cfg ProxyConfig) (*Proxy, error) {
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	p := &Proxy{config: cfg, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), environment+"="+string(text))
	p.cmd.Stderr = os.Stderr
	// It ends with us, however we end, because its standard input does. The
	// thread that starts it ends at once, so a signal at its death would not do.
	if _, err := p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := l.Node.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("proxy did not start: %w", err), p.Kill())
	}
	return p, nil
}

// Stop ends the proxy as the end of its pod does.
func (p *Proxy) Stop() error {
	return errors.Join(p.cmd.Process.Signal(unix.SIGTERM), p.cmd.Wait())
}

// Kill ends the proxy with no time to do anything.
func (p *Proxy) Kill() error {
	err := p.cmd.Process.Kill()
	// It says that the process was killed.
	_ = p.cmd.Wait()
	return err
}

// Metrics reads the proxy's metrics.
func (p *Proxy) Metrics() (map[string]*dto.MetricFamily, error) {
	socket := filepath.Join(p.config.Dir, "metrics.sock")
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	r, err := c.Get("http://proxy/metrics")
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = r.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(r.Body)
}

// Counter sums the values of a counter or gauge with these labels, given as
// name and value in turn.
func (p *Proxy) Counter(name string, labels ...string) (float64, error) {
	families, err := p.Metrics()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		if hasLabels(m, labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum, nil
}

func hasLabels(m *dto.Metric, labels []string) bool {
	has := map[string]string{}
	for _, l := range m.GetLabel() {
		has[l.GetName()] = l.GetValue()
	}
	for i := 0; i+1 < len(labels); i += 2 {
		if has[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}
