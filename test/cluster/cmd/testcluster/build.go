// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/test/cluster/binaries"
	"github.com/tierwall/tierwall/test/cluster/image"
)

func newBinariesCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "binaries [NAME...]",
		Short:     "Build the binaries named, or all, and print the directory they are in",
		ValidArgs: binaries.Names(),
		RunE: func(cmd *cobra.Command, names []string) error {
			dir, err := binaries.Build(cmd.Context(), binaries.Config{Names: names, Progress: printProgress})
			if err != nil {
				return err
			}
			fmt.Println(dir)
			return nil
		},
	}
}

func newImageCommand() *cobra.Command {
	var cfg image.Config
	var out string
	cmd := &cobra.Command{
		Use:     "image",
		Short:   "Make a container image from files",
		Example: "  testcluster image --name tierwall/agent:dev --out agent.tar --file /agent=bin/agent --entrypoint /agent",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return image.WriteArchive(out, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&cfg.Names, "name", nil, "tagged name of the image; may be repeated")
	flags.StringVar(&out, "out", "", "archive to write")
	flags.StringToStringVar(&cfg.Files, "file", nil, "PATH-IN-IMAGE=FILE; may be repeated")
	flags.StringSliceVar(&cfg.Entrypoint, "entrypoint", nil, "command and arguments that a container runs")
	flags.StringVar(&cfg.User, "user", "", "numeric UID or UID:GID to run as; root when empty")
	for _, required := range []string{"name", "out", "file"} {
		if err := cmd.MarkFlagRequired(required); err != nil {
			panic(err) // The flag is defined above.
		}
	}
	return cmd
}
