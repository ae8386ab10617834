package hosted

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
)

// Whoever may write Secrets and events in some namespace chooses their size.
func TestWhatIsKeptInMemoryIsSmall(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	many := map[string]string{v1alpha1.LabelTenant: "t", children.LabelRegistry: "true"}
	for n := range 10_000 {
		many[strings.Repeat("x", n%60)+long[:n%7]+string(rune('a'+n%26))] = "x"
	}
	owners := []metav1.OwnerReference{{Name: long}, {Name: "demo", UID: "1", Controller: new(true)}}
	options, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	var bindings func(any) (any, error)
	for object, kept := range options.ByObject {
		if _, is := object.(*rbacv1.RoleBinding); is {
			bindings = kept.Transform
		}
	}
	for what, test := range map[string]struct {
		transform func(any) (any, error)
		object    any
	}{
		"Secret": {onlyIdentity, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: "s", Labels: many, Annotations: map[string]string{"a": long}, Finalizers: []string{long}, OwnerReferences: owners,
		}}},
		"RoleBinding": {bindings, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: many, Annotations: map[string]string{"a": long}},
			Subjects:   []rbacv1.Subject{{Name: long}}, RoleRef: rbacv1.RoleRef{Name: "r"},
		}},
		"event": {onlyMessage, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: "e", Annotations: map[string]string{"a": long}},
			InvolvedObject: corev1.ObjectReference{
				Kind: "StatefulSet", Name: long, UID: types.UID(long), FieldPath: long, ResourceVersion: long, APIVersion: long,
			},
			Message: long, Action: long, ReportingController: long, ReportingInstance: long, Source: corev1.EventSource{Component: long},
		}},
	} {
		kept, err := test.transform(test.object)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > 4<<10 {
			t.Errorf("%d bytes of a %s are kept", len(encoded), what)
		}
		if secret, ok := kept.(*metav1.PartialObjectMetadata); ok && (secret.Labels[children.LabelRegistry] != "true" || metav1.GetControllerOf(secret) == nil) {
			t.Errorf("what is read of a Secret is not kept: %s", encoded)
		}
		if binding, ok := kept.(*rbacv1.RoleBinding); ok && binding.RoleRef.Name != "r" {
			t.Errorf("what is read of a RoleBinding is not kept: %s", encoded)
		}
	}
}
