package report_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane/etcd/maintenance"
	"slipway.dev/operators/cluster/report"
)

func TestEtcd(t *testing.T) {
	const mebibyte = 1 << 20
	member := func(size, inUse int64) maintenance.Member {
		return maintenance.Member{Name: "etcd-0", Size: size * mebibyte, InUse: inUse * mebibyte, Quota: 768 * mebibyte}
	}
	full := func(m maintenance.Member) maintenance.Member {
		m.NoSpace = true
		return m
	}
	corrupt := member(700, 700)
	corrupt.Corrupt, corrupt.NoSpace = true, true
	silent := maintenance.Member{Name: "etcd-1", Problem: "does not answer"}
	nearly := &metav1.Condition{Reason: report.ReasonEtcdNearlyFull}
	const (
		cannotGrow  = "spec.controlPlane.etcd.storage, 2Gi, cannot change; who needs more creates another TenantCluster"
		isNearly    = "True EtcdNearlyFull: etcd is nearly full: objects and their history take some 80% of its quota of 768 MiB; delete objects before it refuses writes. " + cannotGrow
		isFull      = "False EtcdFull: etcd is full and refuses writes: its database has 768 MiB, of which objects and their history take 730 MiB, and its quota is 768 MiB; delete objects until they take less than 653 MiB. " + cannotGrow
		isMended    = "False EtcdFull: etcd was full and refuses writes until its members are defragmented, which is under way"
		isNotMended = "False EtcdFull: etcd was full and refuses writes until its members are defragmented, which cannot be done now: Pod etcd-1: does not answer"
	)
	for what, test := range map[string]struct {
		members []maintenance.Member
		before  *metav1.Condition
		want    string
	}{
		"empty":                              {[]maintenance.Member{member(1, 1)}, nil, "True Ready: "},
		"a large database with little in it": {[]maintenance.Member{member(768, 600)}, nil, "True Ready: "},
		"nearly full":                        {[]maintenance.Member{member(620, 600), member(640, 615)}, nil, isNearly},
		"nearly full, and a bit more":        {[]maintenance.Member{member(700, 690)}, nil, isNearly},
		"about nearly full":                  {[]maintenance.Member{member(620, 580)}, nearly, isNearly},
		"no longer":                          {[]maintenance.Member{member(620, 570)}, nearly, "True Ready: "},
		"full":                               {[]maintenance.Member{full(member(768, 730))}, nil, isFull},
		"full, and somewhat less":            {[]maintenance.Member{full(member(765, 720))}, nil, isFull},
		"full on another member":             {[]maintenance.Member{full(member(700, 100)), full(member(768, 730))}, nil, isFull},
		"full as far as can be told":         {[]maintenance.Member{silent, full(member(768, 730))}, nil, isFull},
		"full no longer":                     {[]maintenance.Member{full(member(768, 100))}, nil, isMended},
		"full no longer, and one is silent":  {[]maintenance.Member{silent, full(member(768, 100))}, nil, isNotMended},
		"not up yet":                         {[]maintenance.Member{silent}, nil, "Unknown Pending: waiting for etcd"},
		"silent":                             {[]maintenance.Member{member(700, 700), silent}, nearly, "Unknown EtcdSilent: Pod etcd-1: does not answer"},
		"damaged": {
			[]maintenance.Member{silent, corrupt}, nil,
			"False EtcdCorrupt: etcd refuses everything, because the databases of its members differ (alarm CORRUPT); it has to be restored from a backup",
		},
	} {
		t.Run(what, func(t *testing.T) {
			got := report.Etcd(test.members, resource.MustParse("2Gi"), test.before)
			if text := text(t, []metav1.Condition{got}, v1alpha1.ConditionEtcdReady); text != test.want {
				t.Errorf("\n got %q\nwant %q", text, test.want)
			}
		})
	}
}

// A tenant that cannot write is not Ready, and says so rather than which
// component fails for it. That etcd was not asked yet, or does not answer, holds
// up nobody: whether it works is seen by whether the API server does.
func TestReadyCountsEtcd(t *testing.T) {
	const conditionType = v1alpha1.ConditionEtcdReady
	for what, test := range map[string]struct {
		reported metav1.Condition
		want     string
	}{
		"full":        {conditions.False(conditionType, report.ReasonEtcdFull, "etcd is full"), "False EtcdFull: etcd is full"},
		"damaged":     {conditions.False(conditionType, report.ReasonEtcdCorrupt, "damaged"), "False EtcdCorrupt: damaged"},
		"nearly full": {conditions.True(conditionType, report.ReasonEtcdNearlyFull, "nearly"), "True Ready: "},
		"silent":      {report.EtcdSilent(&metav1.Condition{Reason: report.ReasonReady}, "no answer"), "True Ready: "},
		"not asked":   {report.EtcdPending(), "True Ready: "},
		"well":        {conditions.True(conditionType, "Ready", ""), "True Ready: "},
	} {
		t.Run(what, func(t *testing.T) {
			s := complete()
			s.Seen.Cluster.Status.Conditions = []metav1.Condition{
				test.reported, {Type: v1alpha1.ConditionAddonsReady, Status: metav1.ConditionTrue, Reason: "Ready", ObservedGeneration: 3},
			}
			if test.reported.Status == metav1.ConditionFalse {
				s.Seen.Deployments[0].Status.ReadyReplicas = 0 // it has lost its lease
			}
			all := report.Conditions(s)
			for _, summary := range []string{v1alpha1.ConditionControlPlaneReady, v1alpha1.ConditionReady} {
				if got := text(t, all, summary); got != test.want {
					t.Errorf("%s:\n got %q\nwant %q", summary, got, test.want)
				}
			}
		})
	}
}
