// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/dataplane/dns"
	"github.com/tierwall/tierwall/ruleset"
)

func TestTracker(t *testing.T) {
	a, b := excess{"A", "A was hit."}, excess{"B", "B was hit."}
	type step struct {
		after time.Duration
		hits  []excess
	}
	const little, almost, whole = time.Minute, hitMemory - time.Second, hitMemory
	for name, test := range map[string]struct {
		resumed metav1.Condition
		steps   []step
		want    string
	}{
		"never hit":                        {steps: []step{{little, nil}}, want: "True WithinBounds: all is well"},
		"hit":                              {steps: []step{{0, []excess{a}}}, want: "False A: A was hit."},
		"hit a while ago":                  {steps: []step{{0, []excess{a}}, {almost, nil}}, want: "False A: A was hit."},
		"hit long ago":                     {steps: []step{{0, []excess{a}}, {whole, nil}}, want: "True WithinBounds: all is well"},
		"hit again meanwhile":              {steps: []step{{0, []excess{a}}, {almost, []excess{a}}, {almost, nil}}, want: "False A: A was hit."},
		"several, the later one first":     {steps: []step{{0, []excess{b}}, {little, []excess{a}}}, want: "False A: A was hit. B was hit."},
		"one of several long ago":          {steps: []step{{0, []excess{a}}, {little, []excess{b}}, {almost, nil}}, want: "False B: B was hit."},
		"good before a restart":            {resumed: reported(metav1.ConditionTrue, ReasonWithinBounds, "all is well"), want: "True WithinBounds: all is well"},
		"bad before a restart":             {resumed: reported(metav1.ConditionFalse, "A", "A was hit before."), steps: []step{{almost, nil}}, want: "False A: A was hit before."},
		"bad long before a restart":        {resumed: reported(metav1.ConditionFalse, "A", "A was hit before."), steps: []step{{whole, nil}}, want: "True WithinBounds: all is well"},
		"bad before and after the restart": {resumed: reported(metav1.ConditionFalse, "A", "A was hit before."), steps: []step{{little, []excess{a}}}, want: "False A: A was hit."},
		"several before a restart":         {resumed: reported(metav1.ConditionFalse, "A", "A was hit. B was hit."), steps: []step{{little, []excess{b}}}, want: "False A: A was hit. B was hit."},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			tr := newTracker("Type", "all is well")
			tr.resume(now, test.resumed)
			var c metav1.Condition
			for _, s := range append([]step{{}}, test.steps...) {
				now = now.Add(s.after)
				tr.note(now, s.hits)
				c = tr.condition(now)
			}
			expect(t, c.Type, "Type")
			expect(t, fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message), test.want)
		})
	}
}

func reported(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: "Type", Status: status, Reason: reason, Message: message}
}

func TestTrackerDoesNotLetAReportHideWhatIsHitSince(t *testing.T) {
	tr, now := newTracker("Type", ""), time.Now()
	tr.note(now, []excess{{"A", "A was hit."}})
	tr.resume(now, reported(metav1.ConditionFalse, "A", "A was hit before."))
	expect(t, tr.condition(now).Message, "A was hit.")
}

// Every bound of the proxy has a reason of its own, its value and a remedy.
func TestDropped(t *testing.T) {
	for bound, test := range map[string]struct{ reason, value, remedy string }{
		dns.BoundNames:            {ReasonTooManyNames, "names (7)", "--dns-max-ttl"},
		dns.BoundAddresses:        {ReasonTooManyAddresses, "addresses (7)", "--dns-max-ttl"},
		dns.BoundAddressesPerName: {ReasonTooManyAddressesPerName, "addresses_per_name (7)", "networks"},
		dns.BoundQueries:          {ReasonTooManyQueries, "queries (7)", "slow DNS server"},
		dns.BoundQueriesPerPod:    {ReasonTooManyQueriesPerPod, "queries_per_pod (7)", "why the pod asks"},
	} {
		t.Run(bound, func(t *testing.T) {
			before := map[string]uint64{}
			look := func(hits uint64) []excess { return dropped([]dns.Bound{{Name: bound, Limit: 7, Hits: hits}}, before) }
			expect(t, len(look(0)), 0)
			first := look(2)
			if len(first) != 1 || first[0].reason != test.reason || !strings.Contains(first[0].message, test.value) || !strings.Contains(first[0].message, test.remedy) {
				t.Errorf("%+v does not have %+v", first, test)
			}
			expect(t, len(look(2)), 0)
			again := look(3)
			if len(again) != 1 || again[0] != first[0] {
				t.Errorf("%+v after %+v: not the same text", again, first)
			}
		})
	}
}

func TestOvergrown(t *testing.T) {
	for name, test := range map[string]struct {
		stats   ruleset.Stats
		reasons string
		value   string
	}{
		"small":    {stats: ruleset.Stats{Classes: largeClasses, Rows: largeRows, Networks: largeNetworks}},
		"classes":  {ruleset.Stats{Classes: largeClasses + 1}, ReasonManyClasses, "more than 50000 classes"},
		"rows":     {ruleset.Stats{Rows: largeRows + 1}, ReasonManyRows, "more than 1000000 rows"},
		"networks": {ruleset.Stats{Networks: largeNetworks + 1}, ReasonManyNetworks, "more than 100000 networks"},
	} {
		t.Run(name, func(t *testing.T) {
			var reasons, messages []string
			for _, e := range overgrown(test.stats) {
				reasons, messages = append(reasons, e.reason), append(messages, e.message)
			}
			expect(t, strings.Join(reasons, " "), test.reasons)
			if got := strings.Join(messages, " "); !strings.Contains(got, test.value) {
				t.Errorf("%q does not have %q", got, test.value)
			}
		})
	}
}
