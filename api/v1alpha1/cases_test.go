// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
)

// validationCases lists a case for each validation of the kind.
func validationCases() []validationCase {
	return slices.Concat(
		specCases(),
		subjectCases(),
		ruleCases("spec.ingress", "from"),
		ruleCases("spec.egress", "to"),
		egressRuleCases(),
		networksCases("spec.ingress[0].from[3]"),
		networksCases("spec.egress[1].to[1]"),
		domainNamesCases("spec.egress[1].to[2]"),
		protocolCases("spec.ingress[0].protocols"),
		protocolCases("spec.egress[0].protocols"),
	)
}

func specCases() []validationCase {
	return []validationCase{
		{path: "spec", validation: "required tier", edit: "spec.tier", good: "Baseline", message: "Required value"},
		{path: "spec.tier", validation: "enum", good: "Admin", bad: "NetworkPolicy", message: `supported values: "Admin", "Baseline"`},
		{path: "spec", validation: "required priority", edit: "spec.priority", good: "1", message: "Required value"},
		{path: "spec.priority", validation: "minimum", good: "0", bad: "-1", message: "should be greater than or equal to 0"},
		{path: "spec.priority", validation: "maximum", good: "1000", bad: "1001", message: "should be less than or equal to 1000"},
		{path: "spec", validation: "required subject", edit: "spec.subject", good: "{namespaces: {}}", message: "Required value"},
	}
}

func subjectCases() []validationCase {
	subject := []validationCase{
		{path: "spec.subject", validation: "minProperties", good: "{namespaces: {}}", bad: "{}", message: "should have at least 1 properties"},
		{path: "spec.subject", validation: "maxProperties", good: "{pods: {podSelector: {}}}", bad: "{namespaces: {}, pods: {podSelector: {}}}", message: "must have at most 1 item"},
	}
	namespaces := selectorCase("spec.subject.namespaces")
	namespaces.edit = "spec.subject"
	namespaces.good, namespaces.bad = "{namespaces: "+namespaces.good+"}", "{namespaces: "+namespaces.bad+"}"
	return slices.Concat(subject, []validationCase{namespaces}, podsCases("spec.subject.pods"))
}

// selectorCase is the bound of a label selector.
func selectorCase(path string) validationCase {
	return validationCase{
		path: path, validation: selectorMessage, message: selectorMessage,
		good: "{matchExpressions: " + repeat(64, "{key: k%d, operator: Exists}") + "}",
		bad:  "{matchExpressions: " + repeat(65, "{key: k%d, operator: Exists}") + "}",
	}
}

func podsCases(path string) []validationCase {
	return []validationCase{
		{path: path, validation: "required podSelector", edit: path + ".podSelector", good: "{}", message: "Required value"},
		selectorCase(path + ".namespaceSelector"),
		selectorCase(path + ".podSelector"),
		selectorCase(path + ".nodeSelector"),
	}
}

// ruleCases are the validations that rules of both directions have.
func ruleCases(rules, peers string) []validationCase {
	rule := rules + "[0]"
	peer := rule + "." + peers
	oneRule := "{action: Accept, " + peers + ": [{namespaces: {}}]}"
	nodes := peer + "[2].nodes"
	if peers == "to" {
		nodes = rules + "[1].to[0].nodes"
	}
	return slices.Concat([]validationCase{
		{path: rules, validation: "maxItems", good: repeat(25, oneRule), bad: repeat(26, oneRule), message: "must have at most 25 items"},
		{path: rule + ".name", validation: "maxLength", good: strings.Repeat("a", 100), bad: strings.Repeat("a", 101), message: "may not be more than 100"},
		{path: rule, validation: "required action", edit: rule + ".action", good: "Accept", message: "Required value"},
		{path: rule + ".action", validation: "enum", good: "Pass", bad: "Allow", message: `supported values: "Accept", "Deny", "Pass"`},
		{path: rule, validation: "required " + peers, edit: peer, good: "[{namespaces: {}}]", message: "Required value"},
		{path: peer, validation: "minItems", good: "[{namespaces: {}}]", bad: "[]", message: "should have at least 1 items"},
		{path: peer, validation: "maxItems", good: repeat(25, "{namespaces: {}}"), bad: repeat(26, "{namespaces: {}}"), message: "must have at most 25 items"},
		{path: peer + "[0]", validation: "minProperties", good: "{namespaces: {}}", bad: "{}", message: "should have at least 1 properties"},
		{path: peer + "[0]", validation: "maxProperties", good: "{pods: {podSelector: {}}}", bad: "{namespaces: {}, pods: {podSelector: {}}}", message: "must have at most 1 item"},
		selectorCase(peer + "[0].namespaces"),
		selectorCase(nodes),
		{path: rule + ".protocols", validation: "minItems", good: "[{destinationNamedPort: a}]", bad: "[]", message: "should have at least 1 items"},
		{path: rule + ".protocols", validation: "maxItems", good: repeat(25, "{destinationNamedPort: a}"), bad: repeat(26, "{destinationNamedPort: a}"), message: "must have at most 25 items"},
	}, podsCases(peer+"[1].pods"))
}

// egressRuleCases are the rules in CEL about an egress rule as a whole. Named
// ports with networks and nodes peers are fine in ingress: complete.yaml has them.
func egressRuleCases() []validationCase {
	var cases []validationCase
	for _, peer := range []string{"{nodes: {}}", "{networks: [10.0.0.0/8]}", "{domainNames: [example.com]}"} {
		cases = append(cases, validationCase{
			path: "spec.egress[0]", validation: namedPortNoPodMessage, edit: "spec.egress[0].to",
			good: "[{namespaces: {}}]", bad: "[{namespaces: {}}, " + peer + "]", message: namedPortNoPodMessage,
		})
	}
	for _, action := range []string{"Deny", "Pass"} {
		cases = append(cases, validationCase{
			path: "spec.egress[1]", validation: domainNameActionMessage, edit: "spec.egress[1].action",
			good: "Accept", bad: action, message: domainNameActionMessage,
		})
	}
	return cases
}

func networksCases(peer string) []validationCase {
	list := peer + ".networks"
	item := list + "[0]"
	cases := []validationCase{
		{path: list, validation: "minItems", good: "[10.0.0.0/8]", bad: "[]", message: "should have at least 1 items"},
		{path: list, validation: "maxItems", good: repeat(25, "10.0.0.%d/32"), bad: repeat(26, "10.0.0.%d/32"), message: "must have at most 25 items"},
		{path: list, validation: "set", good: "[10.0.0.0/8, 10.0.0.0/9]", bad: "[10.0.0.0/8, 10.0.0.0/8]", message: "Duplicate value"},
		{path: item, validation: "maxLength", good: `"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"`, bad: `"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/1280"`, message: "may not be more than 43"},
	}
	for _, bad := range []string{`"10.0.0.1"`, `"10.0.0.0/33"`, `"fd00::/129"`, `"10.0/16"`, `"any"`, `""`} {
		cases = append(cases, validationCase{path: item, validation: cidrMessage, good: "192.0.2.7/32", bad: bad, message: cidrMessage})
	}
	return cases
}

func domainNamesCases(peer string) []validationCase {
	list := peer + ".domainNames"
	item := list + "[0]"
	long := strings.Repeat("a.", 126) + "a"
	cases := []validationCase{
		{path: list, validation: "minItems", good: "[example.com]", bad: "[]", message: "should have at least 1 items"},
		{path: list, validation: "maxItems", good: repeat(25, "n%d.example.com"), bad: repeat(26, "n%d.example.com"), message: "must have at most 25 items"},
		{path: list, validation: "set", good: "[example.com, example.org]", bad: "[example.com, example.com]", message: "Duplicate value"},
		{path: item, validation: "minLength", good: "a.b", bad: `""`, message: "should be at least 1 chars long"},
		{path: item, validation: "maxLength", good: long + ".", bad: long + "aa", message: "may not be more than 254"},
		{path: item, validation: "pattern", good: "a-b.example.com", bad: "a b.example.com", message: "should match"},
	}
	for _, bad := range []string{"com", `"*.*.example.com"`, `"example.com/x"`, `"example.com:443"`} {
		cases = append(cases, validationCase{path: item, validation: domainNameMessage, good: `"*.example.com"`, bad: bad, message: domainNameMessage})
	}
	return cases
}

func protocolCases(list string) []validationCase {
	named := list + "[6].destinationNamedPort"
	cases := []validationCase{
		{path: list + "[0]", validation: "minProperties", good: "{destinationNamedPort: a}", bad: "{}", message: "should have at least 1 properties"},
		{path: list + "[0]", validation: "maxProperties", good: "{destinationNamedPort: a}", bad: "{destinationNamedPort: a, tcp: {destinationPort: {number: 1}}}", message: "must have at most 1 item"},
		{path: named, validation: "minLength", good: "a", bad: `""`, message: "should be at least 1 chars long"},
		{path: named, validation: "maxLength", good: "abcdefghijklmno", bad: "abcdefghijklmnop", message: "may not be more than 15"},
	}
	for _, bad := range []string{"HTTP", `"80"`, "a--b", "-a", "a-", "a_b"} {
		cases = append(cases, validationCase{path: named, validation: portNameMessage, good: "http-8080", bad: bad, message: portNameMessage})
	}
	for i, protocol := range []string{"tcp", "udp", "sctp"} {
		number := fmt.Sprintf("%s[%d].%s", list, 2*i, protocol)
		ports := fmt.Sprintf("%s[%d].%s.destinationPort.range", list, 2*i+1, protocol)
		cases = append(cases, portCases(number)...)
		cases = append(cases, rangeCases(ports)...)
	}
	return cases
}

func portCases(protocol string) []validationCase {
	port := protocol + ".destinationPort"
	return []validationCase{
		{path: protocol, validation: "minProperties", good: "{destinationPort: {number: 1}}", bad: "{}", message: "should have at least 1 properties"},
		{path: port, validation: "minProperties", good: "{number: 1}", bad: "{}", message: "should have at least 1 properties"},
		{path: port, validation: "maxProperties", good: "{range: {start: 1, end: 2}}", bad: "{number: 1, range: {start: 1, end: 2}}", message: "must have at most 1 item"},
		{path: port + ".number", validation: "minimum", good: "1", bad: "0", message: "should be greater than or equal to 1"},
		{path: port + ".number", validation: "maximum", good: "65535", bad: "65536", message: "should be less than or equal to 65535"},
	}
}

func rangeCases(ports string) []validationCase {
	return []validationCase{
		{path: ports, validation: "required start", edit: ports + ".start", good: "2", message: "Required value"},
		{path: ports, validation: "required end", edit: ports + ".end", good: "2", message: "Required value"},
		{path: ports, validation: rangeMessage, good: "{start: 1, end: 2}", bad: "{start: 2, end: 2}", message: rangeMessage},
		{path: ports, validation: rangeMessage, good: "{start: 1, end: 2}", bad: "{start: 3, end: 2}", message: rangeMessage},
		{path: ports + ".start", validation: "minimum", good: "1", bad: "0", message: "should be greater than or equal to 1"},
		{path: ports + ".start", validation: "maximum", good: "65534", bad: "65536", message: "should be less than or equal to 65535"},
		{path: ports + ".end", validation: "minimum", good: "2", bad: "0", message: "should be greater than or equal to 1"},
		{path: ports + ".end", validation: "maximum", good: "65535", bad: "65536", message: "should be less than or equal to 65535"},
	}
}
