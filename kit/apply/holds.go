package apply

import (
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// holds reports whether an object has everything of one field that was applied,
// whatever others have added to it.
func holds(observed client.Object, encoded []byte, field string) bool {
	applied := map[string]any{}
	if err := json.Unmarshal(encoded, &applied); err != nil {
		return false
	}
	has, err := runtime.DefaultUnstructuredConverter.ToUnstructured(observed)
	return err == nil && contains(has[field], applied[field])
}

// contains compares maps by their keys. Lists are compared as sets: elements that
// belong to other owners may stand between those that were applied.
func contains(has, applied any) bool {
	switch applied := applied.(type) {
	case map[string]any:
		fields, _ := has.(map[string]any)
		for key, value := range applied {
			if !contains(fields[key], value) {
				return false
			}
		}
		return true
	case []any:
		elements, _ := has.([]any)
		for _, value := range applied {
			if !containsElement(elements, value) {
				return false
			}
		}
		return true
	case nil:
		return has == nil
	default:
		// Go leaves out of an object what is empty.
		return reflect.DeepEqual(has, applied) || (has == nil && reflect.ValueOf(applied).IsZero())
	}
}

func containsElement(elements []any, applied any) bool {
	return slices.ContainsFunc(elements, func(element any) bool { return contains(element, applied) })
}
