// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/dataplane/dns"
)

// The types of the conditions that an agent reports in the status of its own pod.
// They are True while all is well. Their common prefix is what the agent's
// ValidatingAdmissionPolicy in config/rbac goes by.
const (
	// ConditionDomainNamesWithinBounds is False while the DNS proxy drops, or
	// within the last ten minutes dropped, something because of a bound.
	ConditionDomainNamesWithinBounds = "policy.tierwall.io/DomainNamesWithinBounds"
	// ConditionRulesetWithinBounds is False while the ruleset in force is, or
	// within the last ten minutes was, so large that it costs much memory and
	// time. All of it is enforced.
	ConditionRulesetWithinBounds = "policy.tierwall.io/RulesetWithinBounds"
)

// The reasons of both conditions. If several bounds were hit, the reason is the
// alphabetically first of theirs, and the message tells of all.
const (
	// ReasonWithinBounds is that of a condition that is True.
	ReasonWithinBounds = "WithinBounds"

	ReasonTooManyNames            = "TooManyNames"
	ReasonTooManyAddresses        = "TooManyAddresses"
	ReasonTooManyAddressesPerName = "TooManyAddressesPerName"
	ReasonTooManyQueries          = "TooManyQueries"
	ReasonTooManyQueriesPerPod    = "TooManyQueriesPerPod"

	ReasonManyClasses  = "ManyClasses"
	ReasonManyRows     = "ManyRows"
	ReasonManyNetworks = "ManyNetworks"
)

// hitMemory is how long a condition stays False after a bound was last hit, so
// that a person sees it, and that it does not come and go with every hit.
const hitMemory = 10 * time.Minute

// excess is a bound that was hit: a condition's reason, and what a person should
// know and do. The same bound has the same text each time.
type excess struct{ reason, message string }

// tracker has what one condition follows from: the bounds that were hit lately.
// It knows no clock and no API server.
type tracker struct {
	// kind is the condition's type, and within its message while it is True.
	kind, within string
	// hits are by reason.
	hits map[string]hit
}

// hit is a bound that was hit.
type hit struct {
	message string
	last    time.Time
}

func newTracker(kind, within string) *tracker {
	return &tracker{kind: kind, within: within, hits: map[string]hit{}}
}

// note takes down which bounds are hit now.
func (t *tracker) note(now time.Time, hits []excess) {
	for _, e := range hits {
		t.hits[e.reason] = hit{message: e.message, last: now}
	}
}

// resume goes on from a condition that an earlier process reported: if it was
// False, it stays so for its time from now on.
func (t *tracker) resume(now time.Time, reported metav1.Condition) {
	_, known := t.hits[reported.Reason]
	if reported.Status == metav1.ConditionFalse && !known {
		t.hits[reported.Reason] = hit{message: reported.Message, last: now}
	}
}

// condition returns what is to be reported, and forgets what was hit long ago.
func (t *tracker) condition(now time.Time) metav1.Condition {
	maps.DeleteFunc(t.hits, func(_ string, h hit) bool { return now.Sub(h.last) >= hitMemory })
	c := metav1.Condition{Type: t.kind, LastTransitionTime: metav1.NewTime(now)}
	if len(t.hits) == 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, ReasonWithinBounds, t.within
		return c
	}
	reasons := slices.Sorted(maps.Keys(t.hits))
	var messages []string
	for _, reason := range reasons {
		// One that was resumed may tell of several, whose reasons come later.
		if m := t.hits[reason].message; !strings.Contains(strings.Join(messages, " "), m) {
			messages = append(messages, m)
		}
	}
	c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasons[0], strings.Join(messages, " ")
	return c
}

// dropped returns the bounds of the DNS proxy that were hit more often than
// before, given how often that was by their names; it brings before up to date.
func dropped(bounds []dns.Bound, before map[string]uint64) []excess {
	var hits []excess
	for _, b := range bounds {
		if b.Hits > before[b.Name] {
			hits = append(hits, explainDropped(b))
		}
		before[b.Name] = b.Hits
	}
	return hits
}

// explainDropped says what the DNS proxy dropped, and the remedy.
func explainDropped(b dns.Bound) excess {
	what := map[string]excess{
		dns.BoundNames: {ReasonTooManyNames,
			"Answers with further domain names were dropped. Write narrower wildcards, or have names forgotten sooner with the agent's flag --dns-max-ttl."},
		dns.BoundAddresses: {ReasonTooManyAddresses,
			"Answers with further addresses were dropped. Write narrower wildcards, or have addresses forgotten sooner with the agent's flag --dns-max-ttl."},
		dns.BoundAddressesPerName: {ReasonTooManyAddressesPerName,
			"Single answers with more addresses were dropped; the agent's log has their names. Accept the networks of such a service instead of its name."},
		dns.BoundQueries: {ReasonTooManyQueries,
			"Further DNS queries of this node's pods were dropped; the agent's log has the pods. Look for a slow DNS server, and for pods that ask too often."},
		dns.BoundQueriesPerPod: {ReasonTooManyQueriesPerPod,
			"Further DNS queries of a pod were dropped; the agent's log has the pod. Look for a slow DNS server, and why the pod asks so often."},
	}[b.Name]
	what.message = fmt.Sprintf("The bound %s (%d) was reached. %s", b.Name, b.Limit, what.message)
	return what
}
