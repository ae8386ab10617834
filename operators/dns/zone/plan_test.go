package zone

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

func hosted(mutate ...func(labels map[string]string)) *metav1.PartialObjectMetadata {
	name := v1alpha1.HostedNamespace("team", "demo")
	labels := map[string]string{
		v1alpha1.LabelTenant: name, v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: "team",
	}
	for _, m := range mutate {
		m(labels)
	}
	return metadata(name, labels, map[string]string{v1alpha1.AnnotationTenantUID: "uid"})
}

func metadata(name string, labels, annotations map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations}}
}

func TestPlanOf(t *testing.T) {
	tests := map[string]struct {
		namespace *metav1.PartialObjectMetadata
		spec      v1alpha1.TenantDNSSpec
		deleted   bool
		reason    string // empty when there are records
		message   string
		withdraw  bool
	}{
		"records":            {namespace: hosted(), spec: spec()},
		"nothing to publish": {namespace: hosted(), spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.APITargets = nil }), reason: "NothingToPublish", withdraw: true},
		"applications alone": {
			namespace: hosted(),
			spec:      spec(func(s *v1alpha1.TenantDNSSpec) { s.APITargets, s.AppsTargets = nil, s.APITargets }),
		},
		"what was published stays while the spec is invalid": {
			namespace: hosted(), spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.APITargets = []string{"_"} }),
			reason: "InvalidSpec", message: `spec.apiTargets: "_"`,
		},
		"being deleted": {namespace: hosted(), spec: spec(), deleted: true, withdraw: true},
		"a team's namespace": {
			spec: spec(), reason: "NotHosted", withdraw: true,
			message: "is not the hosted namespace of a TenantCluster; create a TenantCluster",
		},
		"a namespace that says so of itself": {
			namespace: metadata("team", hosted().Labels, hosted().Annotations), spec: spec(),
			reason: "NotHosted", withdraw: true, message: "is not the hosted namespace",
		},
		"without the tenant's label": {
			namespace: hosted(func(l map[string]string) { delete(l, v1alpha1.LabelTenant) }), spec: spec(),
			reason: "NotHosted", withdraw: true, message: "is not the hosted namespace",
		},
		"without the TenantCluster's UID": {
			namespace: metadata(hosted().Name, hosted().Labels, nil), spec: spec(),
			reason: "NotHosted", withdraw: true, message: "is not the hosted namespace",
		},
		"another's name": {
			namespace: hosted(), spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.TenantName = "other" }),
			reason: "NotHosted", withdraw: true,
			message: "spec names TenantCluster team/other, and Namespace ns is that of team/demo; write tenantNamespace team and tenantName demo",
		},
		"another's namespace": {
			namespace: hosted(), spec: spec(func(s *v1alpha1.TenantDNSSpec) { s.TenantNamespace = "default" }),
			reason: "NotHosted", withdraw: true, message: "spec names TenantCluster default/demo",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tenant := &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Namespace: "ns"}, Spec: test.spec}
			if test.deleted {
				tenant.DeletionTimestamp = new(metav1.NewTime(time.Unix(0, 0)))
			}
			plan := PlanOf(tenant, test.namespace, "example.com")
			var got metav1.Condition
			if plan.Verdict != nil {
				got = *plan.Verdict
			}
			if got.Reason != test.reason || !strings.Contains(got.Message, test.message) || plan.Withdraw != test.withdraw {
				t.Errorf("got %s %q, withdraw %t; want %s %q, %t", got.Reason, got.Message, plan.Withdraw, test.reason, test.message, test.withdraw)
			}
			if published := len(plan.Records) > 0; published != (test.reason == "" && !test.deleted) {
				t.Errorf("records %v", plan.Records)
			}
			if ready := got.Status == metav1.ConditionTrue; ready != (test.reason == "NothingToPublish") {
				t.Errorf("Ready is %s with reason %s", got.Status, got.Reason)
			}
			if notHosted := test.reason == "NotHosted"; plan.NotHosted != notHosted {
				t.Errorf("NotHosted is %t", plan.NotHosted)
			}
		})
	}
}
