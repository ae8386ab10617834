// Package golden compares what tests have made with files.
package golden

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// Objects fails the test when the objects are not what testdata/name.yaml says.
// With UPDATE=true in the environment it writes the file instead.
func Objects(t testing.TB, name string, objects ...any) {
	t.Helper()
	documents := make([][]byte, len(objects))
	for n, object := range objects {
		encoded, err := yaml.Marshal(object)
		if err != nil {
			t.Fatalf("encode %T: %v", object, err)
		}
		documents[n] = encoded
	}
	File(t, name+".yaml", string(bytes.Join(documents, []byte("---\n"))))
}

// File does the same for text and testdata/name.
func File(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; UPDATE=true writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); UPDATE=true writes it anew:\n%s", path, diff)
	}
}
