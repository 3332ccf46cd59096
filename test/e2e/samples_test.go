// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/tierwall/tierwall/test/story"
)

func describeSamples(e *environment) {
	Describe("the samples", func() {
		It("decide as they say, one after the other, and leave nothing behind", func(ctx SpecContext) {
			before, err := story.Before()
			Expect(err).NotTo(HaveOccurred())
			steps, err := story.Steps()
			Expect(err).NotTo(HaveOccurred())

			By("nothing")
			e.becomes(ctx, before)
			DeferCleanup(func(ctx SpecContext) { e.removeSamples(ctx, steps) }, NodeTimeout(specTimeout))
			last := before
			for _, step := range steps {
				By(step.Name)
				Expect(e.story.Apply(ctx, step)).To(Succeed())
				e.becomes(ctx, step.Expected)
				e.isDecidedBy(ctx, step, step.Expected.Differing(last.Cells))
				last = step.Expected
			}
			Expect(e.story.Accepted(ctx)).To(Succeed())

			By("nothing again")
			e.removeSamples(ctx, steps)
			e.becomes(ctx, before)
		}, SpecTimeout(2*specTimeout))
	})
}

func (e *environment) becomes(ctx SpecContext, want *story.Matrix) {
	GinkgoHelper()
	cells, err := e.story.MeasureUntil(ctx, want, patience)
	Expect(err).NotTo(HaveOccurred())
	Expect(want.Differing(cells)).To(BeEmpty(), want.Show(cells, func(_ story.Pair, text string) string { return text }))
}

// isDecidedBy checks that the kernel counts the policies of the step when what
// changed is tried again.
func (e *environment) isDecidedBy(ctx SpecContext, step story.Step, changed []story.Pair) {
	GinkgoHelper()
	explanations, err := e.story.Explain(ctx, step.Expected.Cells, changed)
	Expect(err).NotTo(HaveOccurred())
	for _, explanation := range explanations {
		Expect(explanation.Counts).To(ContainElement(Satisfy(step.DecidedBy)), "%v", explanation.Pairs)
	}
}

func (e *environment) removeSamples(ctx SpecContext, steps []story.Step) {
	GinkgoHelper()
	for _, step := range steps {
		e.kubectl(ctx, "delete", "--ignore-not-found", "-f", filepath.Join(repository, step.Sample()))
	}
	e.kubectl(ctx, "label", "node", "node1", "node-role.kubernetes.io/infra-")
}
