// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// preflight checks that the kernel has what is needed.
func preflight(cfg Config) error {
	conn, err := nftables.New(nftables.WithNetNSFd(cfg.Netns))
	if err != nil {
		return fmt.Errorf("open netlink connection: %w", err)
	}
	_, err = conn.ListTablesOfFamily(nftables.TableFamilyINet)
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("no permission to read nftables: run as root or with capability NET_ADMIN: %w", err)
	case err != nil:
		return fmt.Errorf("this kernel has no nf_tables: load module nf_tables: %w", err)
	}
	return nil
}
