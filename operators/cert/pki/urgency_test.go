package pki

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

func TestUrgent(t *testing.T) {
	tenant := tenantPKI()
	desired, _ := complete(t)
	// issued is what was observed with these Secrets.
	issued := func(hash string, names ...string) Observed {
		_, observed := complete(t)
		observed.Secrets = nil
		for _, name := range names {
			observed.Secrets = append(observed.Secrets, digested(name, hash, "2027-11-22T00:00:00Z"))
		}
		return observed
	}
	_, everything := complete(t)
	tests := map[string]struct {
		before, after Observed
		changed       func(*v1alpha1.TenantPKI)
		want          bool
	}{
		"nothing new":               {before: issued("a", "ca"), after: issued("a", "ca")},
		"the authority":             {before: issued("a"), after: issued("a", "ca"), want: true},
		"half of what etcd mounts":  {before: issued("a", "ca"), after: issued("a", "ca", "etcd-server")},
		"all that etcd mounts":      {before: issued("a", "etcd-server"), after: issued("a", "etcd-server", "etcd-peer"), want: true},
		"what comes later":          {before: issued("a", "ca"), after: issued("a", "ca", "scheduler", "admin", "kvm-operator")},
		"an authority that renewed": {before: issued("a", "ca"), after: issued("b", "ca"), want: true},
		"ready":                     {before: issued("1111", "ca"), after: everything, want: true},
		"another generation": {
			before: issued("a", "ca"), after: issued("a", "ca"), want: true,
			changed: func(p *v1alpha1.TenantPKI) { p.Generation++ },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := Report(tenant, desired, test.before).Status
			status := v1alpha1.TenantPKIStatus{ObservedGeneration: *before.ObservedGeneration}
			for _, c := range before.Conditions {
				status.Conditions = append(status.Conditions, metav1.Condition{Type: *c.Type, Status: *c.Status})
			}
			for _, s := range before.Secrets {
				status.Secrets = append(status.Secrets, v1alpha1.IssuedSecret{Name: *s.Name, Hash: *s.Hash})
			}
			now := tenant.DeepCopy()
			if test.changed != nil {
				test.changed(now)
			}
			if got := Urgent(status, Report(now, desired, test.after).Status); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
	if !Urgent(v1alpha1.TenantPKIStatus{}, Report(tenant, desired, issued("a")).Status) {
		t.Error("the first report is not urgent")
	}
}
