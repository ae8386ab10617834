package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
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

// TestExplain looks at what kubectl explain shows of all kinds: each field says
// what it is and the default if it has one, and says nothing twice.
func TestExplain(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.SlipwayCRDs(2), "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d CRDs: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { explainFile(t, file) })
	}
}

func explainFile(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
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
		root := version.Schema.OpenAPIV3Schema
		// These are Kubernetes' own.
		for _, name := range []string{"apiVersion", "kind", "metadata"} {
			delete(root.Properties, name)
		}
		explain(t, definition.Spec.Names.Kind, root)
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
	said := sets.New[string]()
	for sentence := range strings.SplitSeq(description, ". ") {
		if sentence = strings.Trim(sentence, ". "); said.Has(sentence) {
			t.Errorf("%s says twice: %s", path, sentence)
		}
		said.Insert(sentence)
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
