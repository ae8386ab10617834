package pool_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/sets"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/kvm/pool"
)

func TestNamesAreRepeatable(t *testing.T) {
	first := pool.Names("a", "uid", nil, 3)
	for _, name := range first {
		if !regexp.MustCompile(`^a-[a-z0-9]{5}$`).MatchString(name) {
			t.Errorf("name %q", name)
		}
	}
	if diff := cmp.Diff(first, pool.Names("a", "uid", nil, 3)); diff != "" {
		t.Errorf("second time (-first +second):\n%s", diff)
	}
	// An operator killed after the second creation goes on with the third.
	if diff := cmp.Diff(first[2:], pool.Names("a", "uid", sets.New(first[:2]...), 1)); diff != "" {
		t.Errorf("after two (-want +got):\n%s", diff)
	}
	if slices.Contains(pool.Names("a", "other", nil, 3), first[0]) {
		t.Error("a pool made anew uses a name of the old one")
	}
}

func TestHash(t *testing.T) {
	template := v1alpha1.MachineSpec{Version: "v1.36.3", NetworkName: "demo", Labels: map[string]v1alpha1.NodeLabelValue{"a": "1", "b": "2"}}
	hash := func(s v1alpha1.MachineSpec) string {
		h, err := pool.Hash(s)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash(template) != hash(*template.DeepCopy()) {
		t.Error("equal templates have different hashes")
	}
	changed := template.DeepCopy()
	changed.Machine.Cores = 4
	if hash(template) == hash(*changed) {
		t.Error("different templates have equal hashes")
	}
}
