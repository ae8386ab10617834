package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"slipway.dev/kit/testenv"
)

// forDevelopers matches what belongs into a comment of the source, and not
// into what a team reads.
var forDevelopers = regexp.MustCompile(`defaults of its fields|kubebuilder|CEL|SSA|apply configuration|reconcil|TODO`)

type schema struct {
	Description string            `json:"description"`
	Default     any               `json:"default"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
}

// TestExplain looks at what kubectl explain shows of a TenantCluster: each
// field says what it is, and the default if it has one.
func TestExplain(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.SlipwayCRDs(2), "slipway.dev_tenantclusters.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, version := range definition.Spec.Versions {
		explain(t, "spec", version.Schema.OpenAPIV3Schema.Properties["spec"])
	}
}

func explain(t *testing.T, path string, s schema) {
	description := strings.Join(strings.Fields(s.Description), " ")
	if len(description) < 20 {
		t.Errorf("%s is not described: %q", path, description)
	}
	if found := forDevelopers.FindString(description); found != "" {
		t.Errorf("%s speaks to developers of %q", path, found)
	}
	switch s.Default.(type) {
	case string, float64:
		if !strings.Contains(description, fmt.Sprint("Default: ", s.Default)) {
			t.Errorf("%s does not say that its default is %v: %s", path, s.Default, description)
		}
	}
	properties := s.Properties
	if s.Items != nil {
		properties = s.Items.Properties
	}
	for name, property := range properties {
		explain(t, path+"."+name, property)
	}
}
