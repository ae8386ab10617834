package report_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/report"
)

func TestClusterDNS(t *testing.T) {
	const name = "Deployment kube-system/coredns of the tenant: "
	pool := func(replicas int32) v1alpha1.NodePool {
		return v1alpha1.NodePool{Spec: v1alpha1.NodePoolSpec{Replicas: &replicas}}
	}
	coreDNS := func(generation, observed int64, updated, available int32) *appsv1.Deployment {
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: generation},
			Spec:       appsv1.DeploymentSpec{Replicas: new(int32(1))},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: observed, UpdatedReplicas: updated, AvailableReplicas: available},
		}
	}
	for what, test := range map[string]struct {
		deployment *appsv1.Deployment
		pools      []v1alpha1.NodePool
		want       string
	}{
		"a control plane alone waits for no DNS": {coreDNS(2, 2, 1, 0), nil, "True Ready: "},
		"nor one whose pools are empty":          {coreDNS(2, 2, 1, 0), []v1alpha1.NodePool{pool(0)}, "True Ready: "},
		"not seen yet":                           {nil, []v1alpha1.NodePool{pool(1)}, "False Progressing: " + name + "is being rolled out"},
		"seen as it was before":                  {coreDNS(1, 1, 1, 1), []v1alpha1.NodePool{pool(1)}, "False Progressing: " + name + "is being rolled out"},
		"its controller has not looked":          {coreDNS(2, 1, 1, 1), []v1alpha1.NodePool{pool(1)}, "False Progressing: " + name + "is being rolled out"},
		"old pods":                               {coreDNS(2, 2, 0, 1), []v1alpha1.NodePool{pool(1)}, "False Progressing: " + name + "is being rolled out"},
		"not available":                          {coreDNS(2, 2, 1, 0), []v1alpha1.NodePool{pool(1)}, "False Progressing: " + name + "no replica is available yet"},
		"available":                              {coreDNS(2, 2, 1, 1), []v1alpha1.NodePool{pool(1)}, "True Ready: "},
	} {
		t.Run(what, func(t *testing.T) {
			got := text(t, []metav1.Condition{report.ClusterDNS(test.deployment, 2, test.pools)}, v1alpha1.ConditionAddonsReady)
			if got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

// Nobody claims what is not known: True stands while a connection is made, for
// the generation it was said of, and not beyond.
func TestAddonsOfASilentTenant(t *testing.T) {
	connecting := &tenantapi.NotConnectedError{Reason: tenantapi.ReasonConnecting, Message: "not answered yet"}
	unreachable := &tenantapi.NotConnectedError{Reason: tenantapi.ReasonUnreachable, Message: "no answer"}
	was := func(c metav1.Condition, generation int64) *metav1.Condition {
		c.ObservedGeneration = generation
		return &c
	}
	ready := conditions.True(v1alpha1.ConditionAddonsReady, "Ready", "")
	const waits = "False Pending: waiting for the tenant's API server to answer"
	for what, test := range map[string]struct {
		before *metav1.Condition
		down   *tenantapi.NotConnectedError
		want   string
	}{
		"a new tenant":                     {nil, connecting, waits},
		"a new tenant that takes its time": {was(report.AddonsPending("waiting for the control plane"), 2), unreachable, waits},
		"a new tenant with too many objects": {
			nil, &tenantapi.NotConnectedError{Reason: tenantapi.ReasonTooManyObjects, Message: "too many"}, "Unknown TooManyObjects: too many",
		},
		"after a restart":              {was(ready, 2), connecting, "True Ready: "},
		"after a restart and a change": {was(ready, 1), connecting, "Unknown ConnectingToTenantAPI: not answered yet"},
		"silent":                       {was(ready, 2), unreachable, "Unknown TenantAPIUnreachable: no answer"},
		"silent, and connected anew": {
			was(conditions.Unknown(v1alpha1.ConditionAddonsReady, tenantapi.ReasonUnreachable, "no answer"), 2), connecting, "Unknown TenantAPIUnreachable: no answer",
		},
	} {
		t.Run(what, func(t *testing.T) {
			if got := text(t, []metav1.Condition{report.AddonsSilent(test.before, 2, test.down)}, v1alpha1.ConditionAddonsReady); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}
