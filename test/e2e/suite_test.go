// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// startTimeout is generous: a first run builds Kubernetes.
	startTimeout = 20 * time.Minute
	specTimeout  = 3 * time.Minute
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Tierwall on a cluster")
}

// All specs share the cluster, one after the other. A spec makes the namespaces,
// pods and policies that it needs, and leaves none.
var _ = Describe("Tierwall", Ordered, ContinueOnFailure, func() {
	e := &environment{}
	BeforeAll(e.start, NodeTimeout(startTimeout))
	AfterEach(e.dumpIfFailed, NodeTimeout(specTimeout))

	describeSamples(e)
	describeInputs(e)
	describeUpstream(e)
	describeServices(e)
	describeContinuity(e)
	describeDomains(e)
	describeStatus(e)
	describeAgentPods(e)
})
