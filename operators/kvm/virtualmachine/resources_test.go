package virtualmachine_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/operators/kvm/virtualmachine"
)

// resourceOf the guest's pod; empty when KubeVirt is to choose.
func resourceOf(t *testing.T, in virtualmachine.Input, list, name string) string {
	t.Helper()
	vm, err := virtualmachine.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := unstructured.NestedString(vm.Object, "spec", "template", "spec", "domain", "resources", list, name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestCPURequestGrowsWithCores(t *testing.T) {
	for name, test := range map[string]struct {
		perCore string
		cores   int32
		want    string
	}{
		"one core":       {"100m", 1, "100m"},
		"many cores":     {"100m", 128, "12800m"},
		"whole cores":    {"1", 4, "4"},
		"hardly any":     {"10m", 2, "20m"},
		"KubeVirt's own": {"0", 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			in.CPURequestPerCore, in.Machine.Spec.Machine.Cores = resource.MustParse(test.perCore), test.cores
			if got := resourceOf(t, in, "requests", "cpu"); got != test.want {
				t.Errorf("request %q, want %q", got, test.want)
			}
			if got := resourceOf(t, in, "limits", "cpu"); got != "" {
				t.Errorf("limit %q: a guest may use processors that are idle", got)
			}
		})
	}
}

// TestStateDiskIsAccountedFor: the scheduler sets the whole disk aside, and a guest may fill it.
func TestStateDiskIsAccountedFor(t *testing.T) {
	for disk, want := range map[string]string{
		"4Gi":        "4356Mi",
		"10Gi":       "10506Mi",
		"1Ti":        "1049856Mi",
		"5000000000": "5273318268",
	} {
		in := input()
		in.Machine.Spec.Machine.Disk = resource.MustParse(disk)
		for _, list := range []string{"requests", "limits"} {
			if got := resourceOf(t, in, list, "ephemeral-storage"); got != want {
				t.Errorf("%s of a disk of %s: %s, want %s", list, disk, got, want)
			}
		}
	}
}
