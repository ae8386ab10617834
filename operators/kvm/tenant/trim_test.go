package tenant

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is kept of a tenant's object has a size that the tenant does not choose.
func TestTrimmedObjectsAreSmall(t *testing.T) {
	long := strings.Repeat("x", 1<<19)
	everywhere := metav1.ObjectMeta{
		Name: "n", UID: "u", ResourceVersion: "1",
		Labels: map[string]string{"l": long}, Annotations: map[string]string{"a": long}, Finalizers: []string{long},
		OwnerReferences: []metav1.OwnerReference{{Name: long}}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: long}},
	}
	node := &corev1.Node{
		ObjectMeta: *everywhere.DeepCopy(),
		Spec:       corev1.NodeSpec{PodCIDR: "10.244.1.0/24", Unschedulable: true, Taints: []corev1.Taint{{Key: long}}, ProviderID: long},
		Status: corev1.NodeStatus{
			Images: []corev1.ContainerImage{{Names: []string{long}}},
			Conditions: []corev1.NodeCondition{
				{Type: "Other", Message: long},
				{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: long, Message: long},
			},
		},
	}
	for name, test := range map[string]struct {
		trim  func(any) (any, error)
		in    any
		keeps []string
	}{
		"Node":    {trimNode, node, []string{`"n"`, `"u"`, "10.244.1.0/24", "unschedulable", `"Ready"`}},
		"request": {trimRequest, &metav1.PartialObjectMetadata{ObjectMeta: *everywhere.DeepCopy()}, []string{`"n"`, `"u"`}},
	} {
		t.Run(name, func(t *testing.T) {
			once, err := test.trim(test.in)
			if err != nil {
				t.Fatal(err)
			}
			// client-go may pass an object through twice.
			twice, err := test.trim(once)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(twice)
			if err != nil {
				t.Fatal(err)
			}
			if len(encoded) > 2000 {
				t.Errorf("%d bytes are kept", len(encoded))
			}
			for _, part := range test.keeps {
				if !strings.Contains(string(encoded), part) {
					t.Errorf("%s is not kept in %.300s", part, encoded)
				}
			}
		})
	}
}
