package zone

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// Plan is what a tenant should have, or why it has nothing.
type Plan struct {
	// Names are those that have records.
	Names   Names
	Records []Record
	// Withdrawn are names that had records, and may still be served.
	Withdrawn Names
	// Verdict is the condition Ready of a tenant without records to publish; nil
	// where the authoritative server decides.
	Verdict *metav1.Condition
	// Withdraw: what was published before goes.
	Withdraw bool
	// NotHosted: the names in the spec are another's.
	NotHosted bool
}

// PlanOf decides what a TenantDNS gets. namespace is the one it is in, nil where
// that belongs to no tenant. A spec that cannot be fulfilled withdraws nothing:
// what was published before it is of the same tenant.
func PlanOf(tenant *v1alpha1.TenantDNS, namespace *metav1.PartialObjectMetadata, baseDomain string) Plan {
	if cause := misplaced(tenant, namespace); cause != "" {
		return Plan{Verdict: new(notHosted(cause)), Withdraw: true, NotHosted: true}
	}
	if tenant.DeletionTimestamp != nil {
		return Plan{Withdraw: true}
	}
	names, err := NamesOf(tenant.Spec, baseDomain)
	if err != nil {
		return Plan{Names: Reported(tenant), Verdict: new(invalid(err))}
	}
	records, err := Records(tenant.Spec, names)
	if err != nil {
		return Plan{Names: Reported(tenant), Verdict: new(invalid(err))}
	}
	published := names.only(RecordNames(records))
	plan := Plan{Names: published, Records: records}
	// Names below another base domain may be in a zone that the server does not have.
	for _, name := range Reported(tenant).List() {
		switch {
		case name == names.API && published.API == "":
			plan.Withdrawn.API = name
		case name == names.Apps && published.Apps == "":
			plan.Withdrawn.Apps = name
		}
	}
	if len(records) == 0 {
		plan.Verdict, plan.Withdraw = new(nothingToPublish()), true
	}
	return plan
}

// Reported are the names in a status: those that have records, and those that were
// still served without when it was written.
func Reported(tenant *v1alpha1.TenantDNS) Names {
	return Names{API: tenant.Status.APIName, Apps: tenant.Status.AppsName}
}

// Published are the names that a TenantDNS may have records of: those that were
// reported, also when the base domain has changed since, and those of its spec,
// as the report on them may not have been written.
func Published(tenant *v1alpha1.TenantDNS, baseDomain string) []string {
	published := Reported(tenant).List()
	if names, err := NamesOf(tenant.Spec, baseDomain); err == nil {
		if records, err := Records(tenant.Spec, names); err == nil {
			published = append(published, RecordNames(records)...)
		}
	}
	slices.Sort(published)
	return slices.Compact(published)
}

// misplaced says why a TenantDNS does not count; empty where it does. Whoever
// may write into a namespace of their own must not get names of another tenant.
func misplaced(tenant *v1alpha1.TenantDNS, namespace *metav1.PartialObjectMetadata) string {
	if namespace == nil || !v1alpha1.IsHostedNamespace(namespace) {
		return fmt.Sprintf("Namespace %s is not the hosted namespace of a TenantCluster; create a TenantCluster, which gets its TenantDNS from the cluster-operator", tenant.Namespace)
	}
	labels := namespace.GetLabels()
	name, inNamespace := labels[v1alpha1.LabelTenantName], labels[v1alpha1.LabelTenantNamespace]
	if tenant.Spec.TenantName != name || tenant.Spec.TenantNamespace != inNamespace {
		return fmt.Sprintf("spec names TenantCluster %s/%s, and Namespace %s is that of %s/%s; write tenantNamespace %s and tenantName %s",
			tenant.Spec.TenantNamespace, tenant.Spec.TenantName, tenant.Namespace, inNamespace, name, inNamespace, name)
	}
	return ""
}
