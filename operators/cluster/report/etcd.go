package report

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/controlplane/etcd/maintenance"
)

// Reasons of EtcdReady.
const (
	ReasonEtcdFull       = "EtcdFull"
	ReasonEtcdCorrupt    = "EtcdCorrupt"
	ReasonEtcdNearlyFull = "EtcdNearlyFull"
	ReasonEtcdSilent     = "EtcdSilent"
)

// EtcdPending is what etcd is while no member is there to be asked.
func EtcdPending() metav1.Condition {
	return conditions.Unknown(v1alpha1.ConditionEtcdReady, ReasonPending, "waiting for etcd")
}

// EtcdSilent is what etcd is when it cannot be asked, and why; before is what was
// said last. One that has not been up yet is waited for, and not missed.
func EtcdSilent(before *metav1.Condition, message string) metav1.Condition {
	if before == nil || before.Reason == ReasonPending {
		return EtcdPending()
	}
	return conditions.Unknown(v1alpha1.ConditionEtcdReady, ReasonEtcdSilent, message)
}

// Etcd says whether etcd takes writes, and will do so tomorrow; storage is that
// of a member's volume, and before what was said last. What its message says of
// sizes does not change with every write.
func Etcd(members []maintenance.Member, storage resource.Quantity, before *metav1.Condition) metav1.Condition {
	const conditionType = v1alpha1.ConditionEtcdReady
	if slices.ContainsFunc(members, func(m maintenance.Member) bool { return m.Corrupt }) {
		return conditions.False(conditionType, ReasonEtcdCorrupt,
			"etcd refuses everything, because the databases of its members differ (alarm CORRUPT); it has to be restored from a backup")
	}
	trouble := trouble(members)
	if slices.ContainsFunc(members, func(m maintenance.Member) bool { return m.NoSpace }) {
		return conditions.False(conditionType, ReasonEtcdFull, full(fullest(members), storage, trouble))
	}
	if trouble != "" {
		return EtcdSilent(before, trouble)
	}
	threshold := int64(maintenance.Near)
	if before != nil && before.Reason == ReasonEtcdNearlyFull {
		threshold = maintenance.NoLongerNear
	}
	if most := fullest(members); most.InUsePercent() >= threshold {
		return conditions.True(conditionType, ReasonEtcdNearlyFull, fmt.Sprintf(
			"etcd is nearly full: objects and their history take some %d%% of its quota of %s; delete objects before it refuses writes. %s",
			maintenance.Near, mebibytes(most.Quota), cannotGrow(storage)))
	}
	return conditions.True(conditionType, ReasonReady, "")
}

func full(most maintenance.Member, storage resource.Quantity, trouble string) string {
	if most.InUsePercent() <= maintenance.Ample {
		const text = "etcd was full and refuses writes until its members are defragmented, which "
		if trouble != "" {
			return text + "cannot be done now: " + trouble
		}
		return text + "is under way"
	}
	return fmt.Sprintf("etcd is full and refuses writes: its database has %s, of which objects and their history take %s, "+
		"and its quota is %s; delete objects until they take less than %s. %s",
		rounded(most.Size, most.Quota), rounded(most.InUse, most.Quota), mebibytes(most.Quota), mebibytes(most.Quota*maintenance.Ample/100),
		cannotGrow(storage))
}

func cannotGrow(storage resource.Quantity) string {
	return fmt.Sprintf("spec.controlPlane.etcd.storage, %s, cannot change; who needs more creates another TenantCluster", storage.String())
}

// fullest member, of those that answer.
func fullest(members []maintenance.Member) maintenance.Member {
	return slices.MaxFunc(members, func(a, b maintenance.Member) int { return int(a.InUsePercent() - b.InUsePercent()) })
}

// trouble with the first member that has any.
func trouble(members []maintenance.Member) string {
	for _, m := range members {
		if m.Problem != "" {
			return fmt.Sprintf("Pod %s: %s", m.Name, m.Problem)
		}
	}
	return ""
}

// rounded to a twentieth of the quota.
func rounded(size, quota int64) string {
	step := max(quota/20, 1)
	return mebibytes((size + step/2) / step * step)
}

func mebibytes(bytes int64) string {
	return fmt.Sprintf("%d MiB", (bytes+1<<19)>>20)
}

// EtcdStatus is the part of the status that etcd's controller writes.
func EtcdStatus(cluster *v1alpha1.TenantCluster, condition metav1.Condition, now time.Time) *slipwayac.TenantClusterStatusApplyConfiguration {
	return slipwayac.TenantClusterStatus().WithConditions(apply(cluster, now, condition)...)
}

// etcdFault is what etcd's controller has reported that keeps etcd from working;
// nil without. That it cannot ask etcd is none: whether etcd works is then told
// by whether the API server answers.
func etcdFault(cluster *v1alpha1.TenantCluster) *metav1.Condition {
	reported := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionEtcdReady)
	if reported == nil || (reported.Reason != ReasonEtcdFull && reported.Reason != ReasonEtcdCorrupt) {
		return nil
	}
	return reported
}
