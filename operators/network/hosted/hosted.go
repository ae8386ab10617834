// Package hosted says why child objects count in hosted namespaces alone:
// anybody else's, however well they are formed, would take numbers and addresses.
package hosted

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
)

// Refusal is the condition of an object that does not count.
func Refusal(kind, namespace string) metav1.Condition {
	return conditions.False(v1alpha1.ConditionReady, "NotHosted", fmt.Sprintf(
		"namespace %s is not the hosted namespace of a TenantCluster; a %s is made by the cluster-operator: make a TenantCluster instead", namespace, kind))
}
