// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The messages of the rules in CEL, as people see them.
const (
	selectorMessage         = "a selector can have at most 64 matchLabels and 64 matchExpressions: select by fewer labels, or label the selected objects with one label of their own"
	namedPortNoPodMessage   = "destinationNamedPort cannot be used with networks, nodes or domainNames peers, which have no named ports: use a port number, or move the namespaces and pods peers into a rule of their own"
	domainNameActionMessage = "domainNames can only be used with action Accept: to allow nothing but some domain names, Accept them, and Deny networks 0.0.0.0/0 and ::/0 in a later rule"
	cidrMessage             = "not an address block in CIDR notation: write for example 10.0.0.0/8, 192.0.2.7/32, or fd00::/8"
	domainNameMessage       = "not a domain name: write at least two labels without scheme, path and port, for example example.com, or *.example.com for the names below it"
	portNameMessage         = "not a name that a container port can have: write at most 15 lower case letters, digits and single -, with at least one letter; for a number use tcp, udp or sctp"
	rangeMessage            = "start must be less than end: for a single port use number instead of range"
)

// validationCase is one validation of the kind: an edit of complete.yaml that the
// API server accepts, and one that it rejects.
type validationCase struct {
	// path is that of the value which has the validation.
	path string
	// validation is as in function validations.
	validation string
	// edit is the path to edit, if it is not path itself.
	edit string
	// good and bad are values in YAML. An empty bad removes the field; an empty
	// good edits nothing.
	good, bad string
	// message is a part of what the API server answers to bad. The path is always
	// a part of it.
	message string
}

func (c validationCase) name() string { return c.path + ": " + c.validation }

func (c validationCase) edited() string {
	if c.edit == "" {
		return c.path
	}
	return c.edit
}

func describeValidation(server *apiServer) {
	Describe("Validation of ClusterNetworkPolicy", func() {
		It("accepts every field, action, peer and protocol", func(ctx SpecContext) {
			for _, manifest := range []string{"complete.yaml", "subject-namespaces.yaml"} {
				Expect(server.check(ctx, readManifest(manifest), false)).To(Succeed(), manifest)
			}
		})

		for _, c := range validationCases() {
			It("holds for "+c.name(), func(ctx SpecContext) {
				complete := readManifest("complete.yaml")
				if c.good != "" {
					Expect(server.check(ctx, edit{c.edited(), c.good}.apply(complete), false)).To(Succeed())
				}
				err := server.check(ctx, edit{c.edited(), c.bad}.apply(complete), false)
				Expect(err).To(MatchError(And(ContainSubstring(c.reportedPath()+": "), ContainSubstring(c.message))))
			})
		}

		It("rejects a peer, subject and protocol of which it knows no field", func(ctx SpecContext) {
			for _, path := range []string{"spec.subject", "spec.ingress[0].from[0]", "spec.egress[0].to[0]", "spec.egress[0].protocols[0]"} {
				err := server.check(ctx, edit{path, "{newInALaterVersion: {}}"}.apply(readManifest("complete.yaml")), true)
				Expect(err).To(MatchError(ContainSubstring(path + " in body should have at least 1 properties")))
			}
		})

		It("rejects domainNames in ingress as an unknown field", func(ctx SpecContext) {
			err := server.check(ctx, edit{"spec.ingress[0].from[0]", "{domainNames: [example.com]}"}.apply(readManifest("complete.yaml")), false)
			Expect(err).To(MatchError(ContainSubstring(`unknown field "spec.ingress[0].from[0].domainNames"`)))
		})

		for value, good := range domainNames() {
			It(fmt.Sprintf("takes %q as a domain name: %t", value, good), func(ctx SpecContext) {
				err := server.check(ctx, edit{"spec.egress[1].to[2].domainNames[0]", fmt.Sprintf("%q", value)}.apply(readManifest("complete.yaml")), false)
				Expect(err == nil).To(Equal(good), "%v", err)
			})
		}
	})

	Describe("The cases of this suite", func() {
		It("have one for each validation in the schema, and no other", func() {
			var want, have []string
			schema := specSchema()
			walk("spec", &schema, func(path string, s *apiextensionsv1.JSONSchemaProps) {
				for _, v := range validations(s) {
					if !inSelector(path) {
						want = append(want, path+": "+v)
					}
				}
			})
			for _, c := range validationCases() {
				have = append(have, withoutIndexes(c.name()))
			}
			slices.Sort(have)
			Expect(slices.Compact(have)).To(ConsistOf(want))
		})

		It("use every field and every value of an enumeration", func() {
			var used []string
			for _, manifest := range []string{"complete.yaml", "subject-namespaces.yaml"} {
				used = append(used, leaves("spec", readManifest(manifest).Object["spec"])...)
			}
			schema := specSchema()
			walk("spec", &schema, func(path string, s *apiextensionsv1.JSONSchemaProps) {
				if !inSelector(path) {
					Expect(used).To(ContainElement(path), "no manifest of testdata uses this field")
				}
				for _, value := range s.Enum {
					Expect(used).To(ContainElement(path+"="+strings.Trim(string(value.Raw), `"`)), "no manifest of testdata uses this value")
				}
			})
		})
	})
}

// leaves lists the paths of a value and of all values in it, without indexes,
// and for strings also path=value.
func leaves(path string, value any) []string {
	found := []string{path}
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			found = append(found, leaves(path+"."+name, field)...)
		}
	case []any:
		for _, item := range v {
			found = append(found, leaves(path+"[]", item)...)
		}
	case string:
		found = append(found, path+"="+v)
	}
	return found
}

// reportedPath is where the API server reports the violation: a field that is
// missing under its own path, and a duplicate under that of the second item.
func (c validationCase) reportedPath() string {
	if c.validation == "set" {
		return c.path + "[1]"
	}
	if name, ok := strings.CutPrefix(c.validation, "required "); ok {
		return c.path + "." + name
	}
	return c.path
}

// domainNames lists names and whether they are taken.
func domainNames() map[string]bool {
	label := strings.Repeat("a", 63)
	return map[string]bool{
		"example.com":        true,
		"EXAMPLE.com.":       true,
		"*.example.com":      true,
		"a_b.example.com":    true,
		"xn--bcher-kva.ch":   true,
		label + ".com":       true,
		label + "a.com":      false,
		"com":                false,
		"*":                  false,
		"*.com":              false,
		"www.*.com":          false,
		"w*.example.com":     false,
		"-a.example.com":     false,
		"a-.example.com":     false,
		"a..example.com":     false,
		"[a].example.com":    false,
		"_a.example.com":     false,
		"a^b.example.com":    false,
		"example.com/path":   false,
		"example.com:443":    false,
		"http://example.com": false,
		"bücher.example":     false,
	}
}
