package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
	"slipway.dev/operators/cluster/report"
)

// state of a tenant of which nothing is there yet.
func state(change func(*observed.Tenant, *desired.State)) report.State {
	seen := &observed.Tenant{Cluster: &v1alpha1.TenantCluster{ObjectMeta: metav1.ObjectMeta{Generation: 3}}}
	wanted := &desired.State{Waiting: map[string]string{}}
	change(seen, wanted)
	return report.State{Seen: seen, Wanted: wanted}
}

func text(t *testing.T, all []metav1.Condition, conditionType string) string {
	t.Helper()
	c := meta.FindStatusCondition(all, conditionType)
	if c == nil {
		t.Fatalf("there is no condition %s", conditionType)
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

func TestReportsOfChildren(t *testing.T) {
	condition := func(c metav1.Condition, generation int64) []metav1.Condition {
		c.ObservedGeneration = generation
		return []metav1.Condition{c}
	}
	pki := func(conditions []metav1.Condition) report.State {
		return state(func(seen *observed.Tenant, _ *desired.State) {
			seen.PKI = &v1alpha1.TenantPKI{ObjectMeta: metav1.ObjectMeta{Name: "demo", Generation: 2}, Status: v1alpha1.TenantPKIStatus{Conditions: conditions}}
		})
	}
	dns := func(conditions []metav1.Condition) report.State {
		return state(func(seen *observed.Tenant, _ *desired.State) {
			seen.DNS = &v1alpha1.TenantDNS{ObjectMeta: metav1.ObjectMeta{Name: "demo", Generation: 2}, Status: v1alpha1.TenantDNSStatus{Conditions: conditions}}
		})
	}
	for name, test := range map[string]struct {
		state           report.State
		condition, want string
	}{
		"absent": {pki(nil), v1alpha1.ConditionNetworkReady, "False Pending: TenantNetwork is not there yet"},
		"new":    {pki(nil), v1alpha1.ConditionPKIReady, "False Pending: TenantPKI demo: its operator has not reported yet"},
		"of the generation before": {
			pki(condition(conditions.True("Ready", "Ready", ""), 1)), v1alpha1.ConditionPKIReady, "False Progressing: TenantPKI demo: is being rolled out",
		},
		"unknown": {
			pki(condition(conditions.Unknown("Ready", "Silent", "no answer"), 2)), v1alpha1.ConditionPKIReady, "Unknown Silent: TenantPKI demo: no answer",
		},
		"true": {pki(condition(conditions.True("Ready", "Ready", ""), 2)), v1alpha1.ConditionPKIReady, "True Ready: "},
		"nothing to publish": {
			dns(condition(conditions.True("Ready", "NothingToPublish", "no targets"), 2)), v1alpha1.ConditionDNSReady, "True NothingToPublish: no targets",
		},
		"nothing to publish before": {
			dns(condition(conditions.True("Ready", "NothingToPublish", "no targets"), 1)), v1alpha1.ConditionDNSReady, "False Progressing: TenantDNS demo: is being rolled out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(t, report.Conditions(test.state), test.condition); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestReportsOfWorkers(t *testing.T) {
	pool := func(name string, generation int64, c metav1.Condition) *v1alpha1.NodePool {
		c.ObservedGeneration = 1
		return &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation}, Status: v1alpha1.NodePoolStatus{Conditions: []metav1.Condition{c}},
		}
	}
	ready := conditions.True("Ready", "Ready", "")
	for name, test := range map[string]struct {
		pools []*v1alpha1.NodePool
		want  string
	}{
		"missing":     {nil, "False Pending: NodePool a is not there yet"},
		"rolling out": {[]*v1alpha1.NodePool{pool("a", 2, ready)}, "False Progressing: NodePool a: is being rolled out"},
		"unknown":     {[]*v1alpha1.NodePool{pool("a", 1, conditions.Unknown("Ready", "Silent", "no answer"))}, "Unknown Silent: NodePool a: no answer"},
		"unwanted":    {[]*v1alpha1.NodePool{pool("b", 1, ready), pool("a", 1, ready)}, "False Progressing: NodePool b: is being removed"},
		"ready":       {[]*v1alpha1.NodePool{pool("a", 1, ready)}, "True Ready: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := text(t, report.Conditions(state(func(seen *observed.Tenant, _ *desired.State) {
				seen.Cluster.Spec.NodePools = []v1alpha1.ClusterNodePool{{Name: "a"}}
				seen.Pools = test.pools
			})), v1alpha1.ConditionWorkersReady)
			if got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

// However many Secrets of registries cannot be copied, the message is one that
// the API takes.
func TestReportOfManyProblems(t *testing.T) {
	spec := v1alpha1.TenantClusterSpec{}
	sources := map[string]children.RegistrySource{}
	for n := range 16 {
		host := fmt.Sprintf("%02d.%s", n, strings.Repeat("x", 250))
		spec.Registries = append(spec.Registries, v1alpha1.Registry{Host: host, CASecretName: host, CredentialsSecretName: "login-" + host})
		sources[host] = children.NewRegistrySource(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: host, Labels: map[string]string{v1alpha1.LabelShareWithWorkers: "true"}},
			Type:       corev1.SecretType(strings.Repeat("type", 10000)),
		})
	}
	_, problems := children.RegistrySecrets(controlplane.Tenant{Spec: spec}, sources)
	got := text(t, report.Conditions(state(func(_ *observed.Tenant, wanted *desired.State) { wanted.Problems = problems })), v1alpha1.ConditionWorkersReady)
	if len(got) > 32768 || !strings.HasPrefix(got, "False InvalidReference: Secret 00.xxx") || !strings.HasSuffix(got, "; and 27 more") {
		t.Errorf("%d bytes: %.100q...%q", len(got), got, got[max(0, len(got)-100):])
	}
}

// A tenant that is exposed nowhere has no names, and is ready without.
func TestReadyWithoutNames(t *testing.T) {
	s := complete()
	s.Seen.DNS.Status.Conditions = []metav1.Condition{conditions.True("Ready", "NothingToPublish", "no targets")}
	addons := conditions.True(v1alpha1.ConditionAddonsReady, "Ready", "")
	addons.ObservedGeneration = s.Seen.Cluster.Generation
	s.Seen.Cluster.Status.Conditions = []metav1.Condition{addons}
	if got := text(t, report.Conditions(s), v1alpha1.ConditionReady); got != "True Ready: " {
		t.Errorf("Ready is %q", got)
	}
}

// Ready counts what the add-ons' controller has reported, for this generation.
func TestReadyCountsTheAddons(t *testing.T) {
	for name, test := range map[string]struct {
		observed   metav1.Condition
		generation int64
		want       string
	}{
		"of the generation before": {conditions.True(v1alpha1.ConditionAddonsReady, "Ready", ""), 2, "False Progressing: the add-ons are being rolled out"},
		"false":                    {conditions.False(v1alpha1.ConditionAddonsReady, "TenantWebhook", "webhook a.b refused"), 3, "False TenantWebhook: webhook a.b refused"},
		"true":                     {conditions.True(v1alpha1.ConditionAddonsReady, "Ready", ""), 3, "True Ready: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := complete()
			test.observed.ObservedGeneration = test.generation
			s.Seen.Cluster.Status.Conditions = []metav1.Condition{test.observed}
			if got := text(t, report.Conditions(s), v1alpha1.ConditionReady); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

// The status speaks of transitions by the operator's own clock.
func TestStatusKeepsTransitions(t *testing.T) {
	s := complete()
	s.Seen.Cluster.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionPKIReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(100, 0)),
	}}
	for _, condition := range report.Status(s, time.Unix(200, 0)).Status.Conditions {
		want := int64(200)
		if *condition.Type == v1alpha1.ConditionPKIReady {
			want = 100
		}
		if got := condition.LastTransitionTime.Unix(); got != want {
			t.Errorf("%s changed at %d, want %d", *condition.Type, got, want)
		}
	}
}
