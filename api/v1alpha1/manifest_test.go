// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// readManifest reads a manifest of testdata.
func readManifest(name string) *unstructured.Unstructured {
	content, err := os.ReadFile(filepath.Join("testdata", name))
	Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal(content, &object.Object)).To(Succeed())
	return object
}

// readPolicies reads the ClusterNetworkPolicies of one API version from a file of
// YAML documents.
func readPolicies(content []byte, apiVersion string) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if object.GetAPIVersion() == apiVersion && object.GetKind() == "ClusterNetworkPolicy" {
			found = append(found, object)
		}
	}
}

// edit is a change of one field. Its path is written as the API server writes
// it: spec.egress[0].to[1].nodes.
type edit struct {
	path string
	// value is in YAML; empty removes the field.
	value string
}

// apply returns a changed copy of an object.
func (e edit) apply(object *unstructured.Unstructured) *unstructured.Unstructured {
	before, err := object.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	patch, err := jsonpatch.DecodePatch(e.patch())
	Expect(err).NotTo(HaveOccurred())
	after, err := patch.Apply(before)
	Expect(err).NotTo(HaveOccurred(), "edit %s", e.path)
	changed := &unstructured.Unstructured{}
	Expect(changed.UnmarshalJSON(after)).To(Succeed())
	return changed
}

// patch is the edit as a JSON patch. Add replaces a field of an object, but
// inserts into a list.
func (e edit) patch() []byte {
	op := "add"
	switch {
	case e.value == "":
		op = "remove"
	case strings.HasSuffix(e.path, "]"):
		op = "replace"
	}
	pointer := "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(e.path)
	step := map[string]any{"op": op, "path": pointer}
	if op != "remove" {
		var value any
		Expect(yaml.Unmarshal([]byte(e.value), &value)).To(Succeed())
		step["value"] = value
	}
	content, err := json.Marshal([]any{step})
	Expect(err).NotTo(HaveOccurred())
	return content
}

// withoutIndexes turns the path of a value into that of its schema:
// spec.egress[0].to[1] into spec.egress[].to[].
func withoutIndexes(path string) string {
	return regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
}

// specSchema reads the schema of the field spec from our CustomResourceDefinition.
func specSchema() apiextensionsv1.JSONSchemaProps {
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", ourCRD))
	Expect(err).NotTo(HaveOccurred())
	crd := apiextensionsv1.CustomResourceDefinition{}
	Expect(yaml.UnmarshalStrict(content, &crd)).To(Succeed())
	Expect(crd.Spec.Versions).To(HaveLen(1))
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

// walk calls visit for a schema and all schemas below it.
func walk(path string, props *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	visit(path, props)
	for name := range props.Properties {
		property := props.Properties[name]
		walk(path+"."+name, &property, visit)
	}
	if props.Items != nil {
		walk(path+"[]", props.Items.Schema, visit)
	}
}

// inSelector tells paths inside a label selector, whose schema is Kubernetes'.
func inSelector(path string) bool {
	return strings.Contains(path, ".matchExpressions") || strings.Contains(path, ".matchLabels")
}

// validations lists what a schema itself requires of a value, as keywords; a
// rule in CEL is listed by its message.
func validations(props *apiextensionsv1.JSONSchemaProps) []string {
	keywords := map[string]bool{
		"minItems":      props.MinItems != nil,
		"maxItems":      props.MaxItems != nil,
		"minLength":     props.MinLength != nil,
		"maxLength":     props.MaxLength != nil,
		"minimum":       props.Minimum != nil,
		"maximum":       props.Maximum != nil,
		"minProperties": props.MinProperties != nil,
		"maxProperties": props.MaxProperties != nil,
		"pattern":       props.Pattern != "",
		"enum":          len(props.Enum) > 0,
		"set":           props.XListType != nil && *props.XListType == "set",
	}
	var found []string
	for keyword, present := range keywords {
		if present {
			found = append(found, keyword)
		}
	}
	for _, name := range props.Required {
		found = append(found, "required "+name)
	}
	for _, rule := range props.XValidations {
		found = append(found, rule.Message)
	}
	return found
}

// repeat lists n values, made from their number, as a YAML list.
func repeat(n int, format string) string {
	items := make([]string, 0, n)
	for i := range n {
		item := format
		if strings.Contains(format, "%") {
			item = fmt.Sprintf(format, i)
		}
		items = append(items, item)
	}
	return "[" + strings.Join(items, ", ") + "]"
}
