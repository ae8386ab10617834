package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComponentsArePinned(t *testing.T) {
	programs := map[string]string{}
	for _, c := range Components() {
		version, err := c.version(filepath.Join("..", "components", c.Name))
		if err != nil || !strings.HasPrefix(version, "v") {
			t.Errorf("%s: version %q, %v", c.Name, version, err)
		}
		for _, program := range c.programs() {
			if other, taken := programs[program]; taken {
				t.Errorf("program %s is in %s and in %s: bin/ can hold one", program, other, c.Name)
			}
			programs[program] = c.Name
		}
	}
	if _, err := Find("nonsense"); err == nil {
		t.Error("an unknown component is found")
	}
}

func TestImagesUseProgramsOfTheirComponent(t *testing.T) {
	for _, image := range thirdPartyImages {
		c, err := Find(image.component)
		if err != nil {
			t.Errorf("image %s: %v", image.name, err)
			continue
		}
		for _, program := range image.programs {
			if _, ok := merge(c.Binaries, c.CSources)[program]; !ok {
				t.Errorf("image %s: %s does not build %s", image.name, c.Name, program)
			}
		}
	}
}

func TestImageNames(t *testing.T) {
	if diff := cmp.Diff([]string{"etcd", "coredns"}, ImageNames("coredns", "etcd")); diff != "" {
		t.Error(diff)
	}
	if got := len(ImageNames()); got != len(thirdPartyImages) {
		t.Errorf("%d names", got)
	}
}

func TestDefaultOutput(t *testing.T) {
	for pkg, want := range map[string]string{
		"go.etcd.io/etcd/server/v3":           "server",
		"k8s.io/kubernetes/cmd/kubelet":       "kubelet",
		"kubevirt.io/kubevirt/cmd/virtctl":    "virtctl",
		"example.com/v":                       "v",
		"helm.sh/helm/v4/cmd/helm":            "helm",
		"github.com/coredns/coredns":          "coredns",
		"slipway.dev/sandbox/components/x/v2": "x",
	} {
		if got := defaultOutput(pkg); got != want {
			t.Errorf("%s: %s, want %s", pkg, got, want)
		}
	}
}

func TestVersionIsLinkedIn(t *testing.T) {
	c := Component{Version: []string{"k8s.io/component-base/version"}}
	got := c.ldflags("v1.36.3")
	for _, want := range []string{"gitVersion=v1.36.3", "gitMajor=1", "gitMinor=36", "-s -w"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %s", got, want)
		}
	}
}

func TestPatch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	write(t, file, "Dummy, Dummy")
	if err := os.Chmod(file, 0o444); err != nil {
		t.Fatal(err)
	}
	patch := &Patch{Name: "p", File: "a.go", Old: "Dummy", New: "Bridge", Times: 2}
	if err := patch.apply(dir, ""); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "Bridge, Bridge" {
		t.Errorf("got %s", got)
	}
	if err := patch.apply(dir, ""); err == nil {
		t.Error("a patch that no longer fits goes unnoticed")
	}
}

func TestPatchReplacesFiles(t *testing.T) {
	module, folder := t.TempDir(), t.TempDir()
	file := filepath.Join(module, "factory/a.go")
	write(t, file, "theirs")
	write(t, filepath.Join(folder, "_patch/a.go"), "ours")
	if err := os.Chmod(file, 0o444); err != nil {
		t.Fatal(err)
	}
	patch := &Patch{Name: "p", Replace: map[string]string{"factory/a.go": "_patch/a.go"}}
	if err := patch.apply(module, folder); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "ours" {
		t.Errorf("got %s", got)
	}
	patch.Replace = map[string]string{"factory/moved.go": "_patch/a.go"}
	if err := patch.apply(module, folder); err == nil {
		t.Error("a patch that no longer fits goes unnoticed")
	}
}
