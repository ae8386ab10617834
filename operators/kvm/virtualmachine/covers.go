package virtualmachine

import (
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// Covers is true when the observed VirtualMachine says all that the desired
// one says. Applying would change nothing then, and would still pass through
// KubeVirt's admission webhooks every time.
func Covers(observed *kubevirtv1.VirtualMachine, desired *unstructured.Unstructured) (bool, error) {
	encoded, err := json.Marshal(observed)
	if err != nil {
		return false, fmt.Errorf("encode VirtualMachine %s: %w", observed.Name, err)
	}
	// Both sides must go through the same decoder, so that numbers have equal types.
	wanted, err := desired.MarshalJSON()
	if err != nil {
		return false, fmt.Errorf("encode VirtualMachine %s: %w", desired.GetName(), err)
	}
	var have, want map[string]any
	if err := json.Unmarshal(encoded, &have); err != nil {
		return false, fmt.Errorf("decode VirtualMachine %s: %w", observed.Name, err)
	}
	if err := json.Unmarshal(wanted, &want); err != nil {
		return false, fmt.Errorf("decode VirtualMachine %s: %w", desired.GetName(), err)
	}
	// A typed object from a cache may have lost its kind.
	delete(want, "apiVersion")
	delete(want, "kind")
	return covers(have, want), nil
}

// covers compares maps by the desired keys and lists element by element.
func covers(observed, desired any) bool {
	switch want := desired.(type) {
	case map[string]any:
		have, ok := observed.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range want {
			if !covers(have[key], value) {
				return false
			}
		}
		return true
	case []any:
		have, ok := observed.([]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for i := range want {
			if !covers(have[i], want[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(observed, desired)
	}
}
