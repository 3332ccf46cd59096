// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// preflight checks that the kernel has what is needed, without changing
// anything.
func preflight(cfg Config) error {
	conn, err := nftables.New(nftables.WithNetNSFd(cfg.Netns))
	if err != nil {
		return fmt.Errorf("open netlink connection: %w", err)
	}
	if err := checkNFTables(conn); err != nil {
		return err
	}
	if err := checkExpressions(conn); err != nil {
		return err
	}
	return inNetns(cfg.Netns, checkBridges)
}

func checkNFTables(conn *nftables.Conn) error {
	_, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("no permission to use nftables: run as root or with capability NET_ADMIN: %w", err)
	case err != nil:
		return fmt.Errorf("this kernel has no nf_tables: load module nf_tables, or build the kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET: %w", err)
	}
	return nil
}

// checkExpressions tries what rules are made of in a transaction that the kernel
// must refuse as a whole, because it creates the same table twice.
func checkExpressions(conn *nftables.Conn) error {
	trial := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName + "-preflight"}
	conn.CreateTable(trial)
	c := conn.AddChain(&nftables.Chain{Table: trial, Name: "trial"})
	conn.AddRule(&nftables.Rule{Table: trial, Chain: c, Exprs: append(isEstablished(), &expr.Counter{})})
	return finishTrial(conn, trial, "connection tracking for nftables: load modules nf_conntrack and nft_ct, or build the kernel with CONFIG_NFT_CT")
}

// checkRedirect tries the rules that bring DNS queries to the proxy in the same
// way.
func checkRedirect(cfg Config) error {
	conn, err := nftables.New(nftables.WithNetNSFd(cfg.Netns))
	if err != nil {
		return fmt.Errorf("open netlink connection: %w", err)
	}
	trial := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName + "-preflight"}
	conn.CreateTable(trial)
	q := queue{conn: conn, table: trial, ids: map[string]*nftables.Set{}}
	p := renderDNSChains(cfg.DNSProxy, [2]set{newSet(setDNS4, kindPods4), newSet(setDNS6, kindPods6)})
	q.buildUp(&transaction{addChains: p.chains, addSets: p.sets, addRules: p.chains})
	if q.err != nil {
		return q.err
	}
	return finishTrial(conn, trial, "transparent proxies for nftables: load modules nft_tproxy, nft_socket and nft_fib_inet, "+
		"or build the kernel with CONFIG_NFT_TPROXY, CONFIG_NFT_SOCKET and CONFIG_NFT_FIB_INET")
}

// finishTrial sends a transaction that began with the creation of the trial
// table, and says what the kernel has not if it is refused for another reason
// than it must be.
func finishTrial(conn *nftables.Conn, trial *nftables.Table, what string) error {
	conn.CreateTable(trial)
	err := conn.Flush()
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("no permission to change nftables: run as root or with capability NET_ADMIN: %w", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("this kernel has no %s: %w", what, err)
	case errors.Is(err, unix.EEXIST):
		return nil
	case err == nil:
		return errors.New("the kernel took a transaction that it had to refuse; remove table inet " + trial.Name)
	default:
		return fmt.Errorf("try nftables rules: %w", err)
	}
}

// checkBridges refuses a bridge that pods seem to be on if packets between its
// ports do not pass the hooks.
func checkBridges() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	bridges := map[int]string{}
	for _, link := range links {
		if link.Type() == "bridge" {
			bridges[link.Attrs().Index] = link.Attrs().Name
		}
	}
	for _, link := range links {
		bridge := bridges[link.Attrs().MasterIndex]
		if link.Type() != "veth" || bridge == "" {
			continue
		}
		if err := checkBridgeFilter(bridge); err != nil {
			return err
		}
	}
	return nil
}

func checkBridgeFilter(bridge string) error {
	for _, setting := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		value, err := os.ReadFile("/proc/sys/net/bridge/" + setting)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("traffic between pods on bridge %s passes no nftables hook: load module br_netfilter", bridge)
		case err != nil:
			return fmt.Errorf("read setting of bridges: %w", err)
		case strings.TrimSpace(string(value)) != "1":
			return fmt.Errorf("traffic between pods on bridge %s passes no nftables hook: run sysctl -w net.bridge.%s=1", bridge, setting)
		}
	}
	return nil
}

// inNetns runs f on a thread of a network namespace; 0 is the current one.
func inNetns(fd int, f func() error) error {
	if fd == 0 {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends the thread with the goroutine.
		runtime.LockOSThread()
		if err := netns.Set(netns.NsHandle(fd)); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
