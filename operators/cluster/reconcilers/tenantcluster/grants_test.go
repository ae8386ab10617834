package tenantcluster

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// A team that may make RoleBindings can make one of the operator's name.
func foreignRoleBindingIsNamed(e *environment) {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: v1alpha1.GrantClusterOperator},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}
	e.create(binding)
	e.createCluster(pools())
	result := e.reconcile()
	want := "False NotGranted: RoleBinding slipway-cluster-operator of Namespace " + e.team + " belongs to something else; delete it: "
	if got := e.condition(v1alpha1.ConditionReady); !strings.HasPrefix(got, want) {
		e.Errorf("Ready is\n%q, want\n%q", got, want)
	}
	if result.RequeueAfter <= 0 || result.RequeueAfter > time.Minute {
		e.Errorf("looks again after %v", result.RequeueAfter)
	}
	if err := e.client.Delete(e.Context(), binding); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionPKIReady, "False Pending: TenantPKI demo: its operator has not reported yet")
}

// A tenant that runs stays what it is while the operator is kept out.
func tenantSurvivesALostGrant(e *environment) {
	e.createCluster(pools(map[string]any{"name": "a"}))
	e.bringUp()
	before := e.cluster().Status
	e.wantEvents("OperationBegan Create has begun", "ControlPlaneReady The control plane is ready", "OperationEnded Create is complete")

	binding := &rbacv1.RoleBinding{}
	e.get(binding, e.team, v1alpha1.GrantClusterOperator)
	if err := e.client.Delete(e.Context(), binding); err != nil {
		e.Fatal(err)
	}
	foreign := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: e.team, Name: binding.Name}, RoleRef: binding.RoleRef}
	foreign.RoleRef.Name = "view"
	e.create(foreign)
	e.reconcile()
	if got := e.condition(v1alpha1.ConditionReady); !strings.HasPrefix(got, "False NotGranted: ") {
		e.Errorf("Ready is %q", got)
	}
	e.wantCondition(v1alpha1.ConditionControlPlaneReady, "True Ready")
	during := e.cluster().Status
	before.Conditions, during.Conditions = nil, nil
	if diff := cmp.Diff(before, during); diff != "" {
		e.Errorf("status (-before +during):\n%s", diff)
	}
	if got := <-e.recorder.Events; !strings.HasPrefix(got, "Warning NotGranted ") {
		e.Errorf("event %q", got)
	}

	if err := e.client.Delete(e.Context(), foreign); err != nil {
		e.Fatal(err)
	}
	e.reconcile()
	e.wantCondition(v1alpha1.ConditionReady, "True Ready")
	e.wantEvents()
}
