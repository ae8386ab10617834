package zone

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

const (
	apiName  = "api.demo.team.example.com"
	appsName = "*.apps.demo.team.example.com"
)

// TestJudge: Ready means that what the spec wants is served, and nothing that it
// wanted before.
func TestJudge(t *testing.T) {
	both := Names{API: apiName, Apps: appsName}
	served, old := Answer{Target: addresses("192.0.2.1")}, Answer{Target: addresses("192.0.2.9")}
	api, apps := []string{"192.0.2.1"}, []string{"192.0.2.1"}
	for name, test := range map[string]struct {
		api, apps []string
		status    Names
		answers   map[string]Answer
		asked     []string
		reason    string // Waiting... where empty
		message   string
		names     Names
	}{
		"served": {
			api: api, apps: apps, status: both, answers: map[string]Answer{apiName: served, appsName: served},
			asked: []string{apiName, appsName}, reason: "Served", names: both,
		},
		"not served yet": {
			api: api, answers: map[string]Answer{apiName: {}},
			asked: []string{apiName}, message: apiName + ": has no address, should have 192.0.2.1", names: Names{API: apiName},
		},
		"not asked": {
			api: api, answers: map[string]Answer{},
			asked: []string{apiName}, message: apiName + ": the server has not been asked", names: Names{API: apiName},
		},
		"not asked whether it is gone": {
			status: Names{API: apiName}, answers: map[string]Answer{},
			asked: []string{apiName}, message: apiName + ": the server has not been asked", names: Names{API: apiName},
		},
		"one name is withdrawn and still served": {
			api: api, status: both, answers: map[string]Answer{apiName: served, appsName: old},
			asked: []string{apiName, appsName}, message: appsName + ": still has 192.0.2.9", names: both,
		},
		"one name is withdrawn and gone": {
			api: api, status: both, answers: map[string]Answer{apiName: served, appsName: {}},
			asked: []string{apiName, appsName}, reason: "Served", names: Names{API: apiName},
		},
		"a name that never was published is not asked for": {
			api: api, status: Names{API: apiName}, answers: map[string]Answer{apiName: served},
			asked: []string{apiName}, reason: "Served", names: Names{API: apiName},
		},
		"all are withdrawn and one is still served": {
			status: both, answers: map[string]Answer{apiName: old, appsName: {}},
			asked: []string{apiName, appsName}, message: apiName + ": still has 192.0.2.9", names: both,
		},
		"all are withdrawn and the server is off": {
			status: both, answers: map[string]Answer{apiName: {}, appsName: {Err: errors.New("no answer")}},
			asked: []string{apiName, appsName}, message: appsName + ": no answer", names: both,
		},
		"all are gone": {
			status: both, answers: map[string]Answer{apiName: {}, appsName: {}},
			asked: []string{apiName, appsName}, reason: "NothingToPublish",
		},
		"names below another base domain are another zone's": {
			api: api, status: Names{API: "api.demo.team.example.org", Apps: "*.apps.demo.team.example.org"},
			answers: map[string]Answer{apiName: served},
			asked:   []string{apiName}, reason: "Served", names: Names{API: apiName},
		},
		"what was published stays while the spec is invalid": {
			api: []string{"_"}, status: both, reason: "InvalidSpec",
			message: `spec.apiTargets: "_" is neither an IP address nor a host name; write for example 192.0.2.1 or lb.example.com`, names: both,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &v1alpha1.TenantDNS{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns"},
				Spec:       spec(func(s *v1alpha1.TenantDNSSpec) { s.APITargets, s.AppsTargets = test.api, test.apps }),
				Status:     v1alpha1.TenantDNSStatus{APIName: test.status.API, AppsName: test.status.Apps},
			}
			plan := PlanOf(tenant, hosted(), "example.com")
			if diff := cmp.Diff(test.asked, plan.Questions(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			names, ready, done := plan.Judge(test.answers)
			reason := test.reason
			if reason == "" {
				reason = "WaitingForAuthoritativeServer"
			}
			if reason == "NothingToPublish" {
				test.message = ready.Message
			}
			if ready.Reason != reason || ready.Message != test.message || done != (test.reason != "") {
				t.Errorf("got %s %q, done %t; want %s %q", ready.Reason, ready.Message, done, reason, test.message)
			}
			if diff := cmp.Diff(test.names, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPublished: what may have records is asked for before a TenantDNS goes.
func TestPublished(t *testing.T) {
	for name, test := range map[string]struct {
		status Names
		apps   []string
		want   []string
	}{
		"reported": {status: Names{API: apiName, Apps: appsName}, want: []string{appsName, apiName}},
		"the report on a new name was not written": {
			status: Names{API: apiName}, apps: []string{"192.0.2.1"}, want: []string{appsName, apiName},
		},
		"the base domain was another": {
			status: Names{API: "api.demo.team.example.org"}, want: []string{apiName, "api.demo.team.example.org"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &v1alpha1.TenantDNS{
				Spec:   spec(func(s *v1alpha1.TenantDNSSpec) { s.AppsTargets = test.apps }),
				Status: v1alpha1.TenantDNSStatus{APIName: test.status.API, AppsName: test.status.Apps},
			}
			if diff := cmp.Diff(test.want, Published(tenant, "example.com")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
