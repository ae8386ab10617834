package tenantaddons

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/report"
)

// What is kept of a tenant's Deployment has a size that the tenant does not
// choose, and says the same about cluster DNS.
func TestTrimmedDeploymentIsSmall(t *testing.T) {
	long := strings.Repeat("x", 1<<19)
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: addons.CoreDNSNamespace, Name: addons.CoreDNS, UID: "u", ResourceVersion: "1", Generation: 3,
			Labels: map[string]string{"l": long}, Annotations: map[string]string{"a": long}, Finalizers: []string{long},
			OwnerReferences: []metav1.OwnerReference{{Name: long}}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: long}},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: make([]corev1.Container, 1000), NodeName: long}},
		},
		Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{{Message: long}}},
	}
	trim := cacheOptions().ByObject
	if len(trim) != 1 {
		t.Fatalf("%d kinds are cached", len(trim))
	}
	pools := []v1alpha1.NodePool{{Spec: v1alpha1.NodePoolSpec{Replicas: new(int32(1))}}}
	for name, status := range map[string]appsv1.DeploymentStatus{
		"old":         {ObservedGeneration: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
		"unavailable": {ObservedGeneration: 3, UpdatedReplicas: 2},
		"updating":    {ObservedGeneration: 3, UpdatedReplicas: 1, AvailableReplicas: 1},
		"ready":       {ObservedGeneration: 3, UpdatedReplicas: 2, AvailableReplicas: 1},
	} {
		status.Conditions = deployment.Status.Conditions
		deployment.Status = status
		for _, options := range trim {
			if options.Transform == nil {
				t.Fatal("Deployments are cached whole")
			}
			kept, err := options.Transform(deployment)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(kept)
			if err != nil || len(encoded) > 1000 {
				t.Errorf("%s: %d bytes are kept, %v", name, len(encoded), err)
			}
			got, want := report.ClusterDNS(kept.(*appsv1.Deployment), 3, pools), report.ClusterDNS(deployment, 3, pools)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
}
