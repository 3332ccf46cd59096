// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli is what Tierwall's programs have in common: how they take flags,
// log, stop, and fail.
package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Program is a program that runs until it is told to stop.
type Program struct {
	// Name is how the program is called, Short what it does in one line.
	Name, Short string
	// Flags adds the program's own flags.
	Flags func(*cobra.Command)
	// Run does the program's work until ctx ends.
	Run func(ctx context.Context, log logr.Logger) error
}

// Execute runs a program with its arguments. It returns the exit status: 0, or 1
// after an error, which it has then written to stderr as one line.
func Execute(ctx context.Context, p Program, args []string, stderr io.Writer) int {
	cmd := command(p)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", p.Name, oneLine(err))
		return 1
	}
	return 0
}

func command(p Program) *cobra.Command {
	// An error says what happened where; a stack adds nothing that its reader
	// could use.
	logging := zap.Options{StacktraceLevel: zapcore.PanicLevel}
	cmd := &cobra.Command{
		Use:           p.Name,
		Short:         p.Short,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := zap.New(zap.UseFlagOptions(&logging))
			ctrllog.SetLogger(log)
			klog.SetLogger(log)
			return p.Run(cmd.Context(), log)
		},
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, p.Name)
	})
	zapFlags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	logging.BindFlags(zapFlags)
	cmd.Flags().AddGoFlagSet(zapFlags)
	p.Flags(cmd)
	return cmd
}

// RESTConfig says how to reach the API server: by the file that KUBECONFIG or
// the user's home names, or else as a pod.
func RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no way to the API server: run in a pod with a service account, or set KUBECONFIG: %w", err)
	}
	// The API server's own priority and fairness limit the rate.
	config.QPS = -1
	return config, nil
}

// oneLine gives an error as one line, also if it joins several.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}
