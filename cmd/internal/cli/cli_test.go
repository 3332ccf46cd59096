// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestExecute(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		err    error
		status int
		stderr string
	}{
		"success":       {},
		"failure":       {err: errors.New("no nf_tables"), status: 1, stderr: "program: no nf_tables\n"},
		"two failures":  {err: errors.Join(errors.New("one"), errors.New("two")), status: 1, stderr: "program: one; two\n"},
		"unknown flag":  {args: []string{"--nope"}, status: 1, stderr: "program: unknown flag: --nope (see program --help)\n"},
		"unknown word":  {args: []string{"nope"}, status: 1, stderr: "program: unknown command \"nope\" for \"program\"\n"},
		"bad log level": {args: []string{"--zap-log-level=loud"}, status: 1, stderr: "program: invalid argument \"loud\" for \"--zap-log-level\" flag: invalid log level \"loud\" (see program --help)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			ran := false
			p := Program{
				Name:  "program",
				Flags: func(*cobra.Command) {},
				Run: func(context.Context, logr.Logger) error {
					ran = true
					return tt.err
				},
			}
			if got := Execute(t.Context(), p, tt.args, &stderr); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if diff := cmp.Diff(tt.stderr, stderr.String()); diff != "" {
				t.Errorf("unexpected stderr (-want +got):\n%s", diff)
			}
			if len(tt.args) > 0 && ran {
				t.Error("the program ran although its arguments are wrong")
			}
		})
	}
}

func TestRESTConfigTellsTheRemedy(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := RESTConfig()
	if err == nil || !strings.Contains(err.Error(), "set KUBECONFIG") {
		t.Errorf("error %v does not tell the remedy", err)
	}
}
