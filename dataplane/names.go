// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tierwall/tierwall/ruleset"
)

// TableName is the name of the one table, of family inet, that Tierwall owns.
const TableName = "tierwall"

// Chains of fixed name.
const (
	chainForward  = "forward"
	chainInput    = "input"
	chainOutput   = "output"
	chainForward6 = "forward-ip6"
	chainHost6    = "host-ip6"
	// chainEgressAccepted is where traffic goes on that its sender may send.
	chainEgressAccepted = "egress-accepted"
	// These set the packet's priority to the class of its other end.
	chainClassOfSource      = "class-of-source"
	chainClassOfDestination = "class-of-destination"
)

// Sets and maps of fixed name.
const (
	setNeighbourDiscovery = "neighbour-discovery"
	setEgress4            = "egress4"
	setEgress6            = "egress6"
	setIngress4           = "ingress4"
	setIngress6           = "ingress6"
	setEgressChains       = "egress-chains"
	setIngressChains      = "ingress-chains"
	setSelf4              = "self4"
	setSelf6              = "self6"
	setEndpoints4         = "endpoints4"
	setEndpoints6         = "endpoints6"
	setNetworks4          = "networks4"
	setNetworks6          = "networks6"
	// These have the local pods whose DNS queries go to the proxy.
	setDNS4 = "dns4"
	setDNS6 = "dns6"
)

const (
	// nameLimit keeps names readable; the kernel's limit is 255 bytes.
	nameLimit = 180
	// commentLimit is what nft 1.0.6 reads back, without the final NUL.
	commentLimit = 127
	// hashLength is in hexadecimal digits.
	hashLength = 16
)

// podChain names the chain that all local pods with these stacks share.
func podChain(of podStacks) string {
	return fmt.Sprintf("pod/%s/%s", lower(of.direction), hash(fmt.Sprintf("%q", of.stacks)))
}

// stackPath is the part that the names of all objects of a stack share; the ID
// says its tier and direction.
func stackPath(s *ruleset.Stack) string { return string(s.ID) }

func stackChain(s *ruleset.Stack) string { return "stack/" + stackPath(s) }
func rowsChain(s *ruleset.Stack) string  { return "by-row/" + stackPath(s) }

// The maps of the default row go by protocol and port, these by row too.
func rowsMap(s *ruleset.Stack) string   { return "rows/" + stackPath(s) }
func portsMap(s *ruleset.Stack) string  { return "ports/" + stackPath(s) }
func rangesMap(s *ruleset.Stack) string { return "ranges/" + stackPath(s) }
func restMap(s *ruleset.Stack) string   { return "rest/" + stackPath(s) }

// The maps of the default row are named after their content too. The rules that
// look them up are those from before a commit for a packet that was under way, and
// so must the maps be.
func defaultPortsMap(s *ruleset.Stack) string  { return "default-ports/" + defaultRowPath(s) }
func defaultRangesMap(s *ruleset.Stack) string { return "default-ranges/" + defaultRowPath(s) }

func defaultRowPath(s *ruleset.Stack) string {
	var content strings.Builder
	for _, p := range s.Table[0].Ports {
		decision := ""
		if p.Decision != nil {
			decision = decisionChain(*p.Decision)
		}
		fmt.Fprintf(&content, "%d %d %d %q ", p.Protocol, p.First, p.Last, decision)
	}
	return stackPath(s) + "/" + hash(content.String())[:hashLength/2]
}

// decisionChain names the chain that carries out a decision, such as
// "deny/admin-egress/tcnp/no-metadata/0-block-imds". Different decisions have
// different names.
func decisionChain(d ruleset.Decision) string {
	rule := fmt.Sprint(d.Rule)
	if d.Rule == ruleset.DefaultDeny {
		rule = "default"
	}
	if d.RuleName != "" {
		rule += "-" + d.RuleName
	}
	if d.FailClosed {
		rule = "not-understood-" + rule
	}
	full := fmt.Sprintf("%s/%s-%s/%s/%s", lower(d.Action), lower(d.Tier), lower(d.Direction), d.Policy, rule)
	name := strings.Map(identifierRune, full)
	if name == full && len(name) <= nameLimit {
		return name
	}
	return name[:min(len(name), nameLimit)] + "." + hash(fmt.Sprintf("%q", fmt.Sprint(d)))
}

// decisionComment says for people what a decision stands for.
func decisionComment(d ruleset.Decision) string {
	rule := fmt.Sprintf(" %s rule %d", lower(d.Direction), d.Rule)
	switch {
	case d.Rule == ruleset.DefaultDeny:
		rule = fmt.Sprintf(" %s: default deny, no rule accepts", lower(d.Direction))
	case d.RuleName != "":
		rule += " " + d.RuleName
	}
	if d.FailClosed {
		rule += ": not understood, so it denies all"
	}
	rule = shorten(printable(rule), commentLimit/2)
	return shorten(printable(d.Policy.String()), commentLimit-len(rule)) + rule
}

// lower returns how a name of the API is spelled in names of the table.
func lower(s fmt.Stringer) string { return strings.ToLower(s.String()) }

// identifierRune keeps what nft takes in an identifier.
func identifierRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("/-_.", r):
		return r
	default:
		return '_'
	}
}

// printable replaces what nft could not read back in a quoted comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == 0x7f || r == utf8.RuneError {
			return '_'
		}
		return r
	}, s)
}

// shorten cuts s to at most limit bytes and shows that it did.
func shorten(s string, limit int) string {
	const mark = "..."
	if len(s) <= limit {
		return s
	}
	s = s[:limit-len(mark)]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + mark
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:hashLength]
}
