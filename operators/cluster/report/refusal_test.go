package report_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/children"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/report"
)

// A refused object makes False what speaks of it and nothing else, and comes
// before what only takes its time.
func TestRefusedObjects(t *testing.T) {
	registryCopy := corev1ac.Secret("registry-ca-mirror", "hosted").WithLabels(map[string]string{children.LabelRegistry: "true"})
	for name, test := range map[string]struct {
		object    runtime.ApplyConfiguration
		condition string
	}{
		"PKI":                  {slipwayac.TenantPKI("demo", "hosted"), v1alpha1.ConditionPKIReady},
		"network":              {slipwayac.TenantNetwork("demo", "hosted"), v1alpha1.ConditionNetworkReady},
		"DNS":                  {slipwayac.TenantDNS("demo", "hosted"), v1alpha1.ConditionDNSReady},
		"workers":              {slipwayac.NodePool("a", "hosted"), v1alpha1.ConditionWorkersReady},
		"a registry's Secret":  {registryCopy, v1alpha1.ConditionWorkersReady},
		"a kubeconfig":         {corev1ac.Secret("demo-kubeconfig", "team"), v1alpha1.ConditionControlPlaneReady},
		"a Service":            {corev1ac.Service("etcd", "hosted"), v1alpha1.ConditionControlPlaneReady},
		"something to be gone": {nil, v1alpha1.ConditionControlPlaneReady},
	} {
		t.Run(name, func(t *testing.T) {
			s := complete()
			s.Wanted.Waiting = map[string]string{controlplane.Etcd: "TenantPKI demo: Secrets not issued yet: etcd-peer"}
			s.Refused = []report.Refusal{{Object: desired.Object{Desired: test.object}, Err: errors.New("exceeded quota: " + strings.Repeat("x", 40000))}}
			got := report.Conditions(s)
			const want = "False ApplyRefused: exceeded quota: xxx"
			for _, condition := range got {
				refused := condition.Type == test.condition || condition.Type == v1alpha1.ConditionReady
				if text := text(t, got, condition.Type); strings.HasPrefix(text, want) != refused || len(text) > 1000 {
					t.Errorf("%s is %.100q", condition.Type, text)
				}
			}
		})
	}
}

// The StatefulSet is complete also while it is one of the version before.
func TestVersionIsThatOfWhatRuns(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*report.State)
		want   string
	}{
		"all is written": {func(*report.State) {}, "v1.36.3"},
		"being rolled out": {
			func(s *report.State) { s.Seen.StatefulSets[1].Generation = 3 }, "v1.36.2",
		},
		"an image without digest": {
			func(s *report.State) {
				s.Wanted.Waiting[controlplane.APIServer] = "image kube-apiserver:v1.36.3 has no digest"
			}, "v1.36.2",
		},
		"a refused StatefulSet": {func(s *report.State) {
			s.Refused = []report.Refusal{{Object: desired.Object{Observed: s.Seen.StatefulSets[1]}, Err: errors.New("no")}}
		}, "v1.36.2"},
		"another refused object": {func(s *report.State) {
			s.Refused = []report.Refusal{{Object: desired.Object{Observed: s.Seen.StatefulSets[0]}, Err: errors.New("no")}}
		}, "v1.36.3"},
	} {
		t.Run(name, func(t *testing.T) {
			s := complete()
			s.Seen.Cluster.Spec.Version, s.Seen.Cluster.Status.Version = "v1.36.3", "v1.36.2"
			test.change(&s)
			if got := *report.Status(s, time.Unix(200, 0)).Status.Version; got != test.want {
				t.Errorf("version %s, want %s", got, test.want)
			}
		})
	}
}
