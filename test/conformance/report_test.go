// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package conformance

import (
	"context"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"testing"
	"time"

	report "sigs.k8s.io/network-policy-api/conformance/apis/v1alpha1"
	"sigs.k8s.io/network-policy-api/conformance/utils/suite"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/test/cluster"
)

// implementation is what the report says about Tierwall as built now: the next
// build may be under way while the suite runs.
func implementation(t *testing.T) report.Implementation {
	t.Helper()
	// The agent's image was made from this file.
	agent, err := buildinfo.ReadFile(filepath.Join(repository, "bin", "agent"))
	if err != nil {
		t.Fatalf("tell the version of the agent: %v (`make images` builds it)", err)
	}
	const url = "https://github.com/tierwall/tierwall"
	return report.Implementation{
		Organization:          "tierwall",
		Project:               "tierwall",
		URL:                   url,
		Version:               agent.Main.Version,
		Contact:               []string{url + "/issues/new"},
		AdditionalInformation: url + "/blob/main/docs/conformance.md",
	}
}

// writeReport writes upstream's report of the suite's last run among the
// artifacts.
func writeReport(t *testing.T, s *suite.ConformanceProfileTestSuite, file string) {
	t.Helper()
	result, err := s.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s:\n%s", file, text)
	if err := os.WriteFile(filepath.Join(artifacts(), file), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// keepLogs writes what Tierwall logged among the artifacts if the test failed:
// the cluster is gone by the time that somebody looks for the cause.
func keepLogs(t *testing.T, c *cluster.Cluster, file string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	logs, err := c.Kubectl(ctx, "--namespace=tierwall-system", "logs", "--prefix", "--tail=-1",
		"--selector=app.kubernetes.io/name=tierwall")
	if err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts(), file), []byte(logs), 0o644); err != nil {
		t.Error(err)
	}
}
