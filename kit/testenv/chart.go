package testenv

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// ChartNamespace is where Chart installs a release.
const ChartNamespace = "slipway-system"

// Chart renders the chart in a folder as helm install does, without its CRDs.
// values are as with helm's --set: key=value. The charts that it depends on lie
// beside it.
func Chart(t testing.TB, path string, values ...string) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := helmTemplate(t, path, values...)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(rendered), 4096)
	for {
		var document runtime.RawExtension
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("read what chart %s renders: %v", path, err)
		}
		if len(document.Raw) == 0 || string(document.Raw) == "null" {
			continue // a template that renders nothing
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(document.Raw); err != nil {
			t.Fatalf("read what chart %s renders: %v", path, err)
		}
		objects = append(objects, object)
	}
}

// ChartError is what helm says of a chart with values that it refuses; the test
// fails when it renders it.
func ChartError(t testing.TB, path string, values ...string) string {
	t.Helper()
	_, err := helmTemplate(t, path, values...)
	if err == nil {
		t.Fatalf("chart %s is rendered with %q", path, values)
	}
	return err.Error()
}

// helmTemplate works on a copy: helm packs the dependencies into the chart's folder.
func helmTemplate(t testing.TB, path string, values ...string) ([]byte, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "charts"), os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	chart := filepath.Join(folder, "charts", filepath.Base(path))
	template := []string{"template", "slipway", chart, "--namespace", ChartNamespace}
	for _, value := range values {
		template = append(template, "--set", value)
	}
	if _, err := helm(t, folder, "dependency", "build", chart); err != nil {
		return nil, err
	}
	return helm(t, folder, template...)
}

func helm(t testing.TB, folder string, arguments ...string) ([]byte, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), Binary(t, "helm"), arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+folder, "HELM_CONFIG_HOME="+folder, "HELM_DATA_HOME="+folder)
	if err := command.Run(); err != nil {
		return nil, errors.Join(err, errors.New(stderr.String()))
	}
	return stdout.Bytes(), nil
}
