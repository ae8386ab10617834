package report_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/report"
)

func statefulSet(name string, ready int32) appsv1.StatefulSet {
	return appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.StatefulSetSpec{Replicas: new(int32(1))},
		Status:     appsv1.StatefulSetStatus{ReadyReplicas: ready, UpdatedReplicas: 1},
	}
}

func deployment(name string, ready int32) appsv1.Deployment {
	return appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: new(int32(1))},
		Status:     appsv1.DeploymentStatus{ReadyReplicas: ready},
	}
}

func pod(component string, status corev1.PodStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: component + "-0", Labels: map[string]string{controlplane.LabelComponent: component}},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + component + "-0"},
		}}}},
		Status: status,
	}
}

func waiting(reason, message string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func TestControlPlaneNamesWhatBlocks(t *testing.T) {
	pending := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data-etcd-0"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
	unschedulable := corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available",
	}}}
	crashed := waiting("CrashLoopBackOff", "back-off 10s restarting failed container\ndetails")
	crashed.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 2}
	sets := []appsv1.StatefulSet{statefulSet(controlplane.Etcd, 1), statefulSet(controlplane.APIServer, 1)}
	deployments := []appsv1.Deployment{deployment(controlplane.ControllerManager, 1), deployment(controlplane.Scheduler, 1)}

	for name, test := range map[string]struct {
		state report.State
		want  string
	}{
		"inputs": {
			state: report.State{Waiting: "TenantNetwork demo is not ready yet"},
			want:  "Waiting: TenantNetwork demo is not ready yet",
		},
		"no room, and no volume": {
			state: report.State{Workload: report.Workloads{
				StatefulSets: []appsv1.StatefulSet{statefulSet(controlplane.Etcd, 0)},
				Pods:         []corev1.Pod{pod(controlplane.Etcd, unschedulable)}, Claims: []corev1.PersistentVolumeClaim{pending},
			}},
			want: "Unschedulable: Pod etcd-0: Unschedulable: 0/1 nodes are available; PersistentVolumeClaim data-etcd-0 is Pending",
		},
		"image of the second component": {
			state: report.State{Workload: report.Workloads{
				StatefulSets: []appsv1.StatefulSet{statefulSet(controlplane.Etcd, 1), statefulSet(controlplane.APIServer, 0)},
				Pods:         []corev1.Pod{pod(controlplane.APIServer, waiting("ImagePullBackOff", "no such image"))},
			}},
			want: "ImagePullBackOff: Pod kube-apiserver-0: ImagePullBackOff no such image",
		},
		"crash": {
			state: report.State{Workload: report.Workloads{
				StatefulSets: []appsv1.StatefulSet{statefulSet(controlplane.Etcd, 0)}, Pods: []corev1.Pod{pod(controlplane.Etcd, crashed)},
			}},
			want: "CrashLoopBackOff: Pod etcd-0: CrashLoopBackOff (last exit code 2) back-off 10s restarting failed container",
		},
		"no pod yet": {
			state: report.State{Workload: report.Workloads{StatefulSets: sets[:1]}},
			want:  "Progressing: kube-apiserver: 0 of 1 replicas are ready",
		},
		"no endpoint yet": {
			state: report.State{Workload: report.Workloads{StatefulSets: sets, Deployments: deployments}},
			want:  "Progressing: Service kube-apiserver: no address from outside yet",
		},
		"nothing": {
			state: report.State{Workload: report.Workloads{StatefulSets: sets, Deployments: deployments}, Kubeconfig: "demo-kubeconfig"},
			want:  "Ready: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := report.ControlPlane(test.state)
			if text := got.Reason + ": " + got.Message; text != test.want {
				t.Errorf("\n got %q\nwant %q", text, test.want)
			}
		})
	}
}

func TestAddonsWaitForDNSOnlyWhereItCanRun(t *testing.T) {
	cluster := &v1alpha1.TenantCluster{}
	addons := report.Addons{Applied: true}
	alone := report.Conditions(report.State{Cluster: cluster, Addons: addons})
	if !meta.IsStatusConditionTrue(alone, v1alpha1.ConditionAddonsReady) {
		t.Error("a control plane alone waits for cluster DNS")
	}
	pools := []v1alpha1.NodePool{{Spec: v1alpha1.NodePoolSpec{Replicas: new(int32(1))}}}
	withWorkers := report.Conditions(report.State{Cluster: cluster, Addons: addons, Pools: pools})
	if meta.IsStatusConditionTrue(withWorkers, v1alpha1.ConditionAddonsReady) {
		t.Error("a cluster with workers does not wait for cluster DNS")
	}
}

func TestStaleReportsOfChildrenAreNotBelieved(t *testing.T) {
	pki := &v1alpha1.TenantPKI{ObjectMeta: metav1.ObjectMeta{Name: "demo", Generation: 2}}
	pki.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
	conditions := report.Conditions(report.State{Cluster: &v1alpha1.TenantCluster{}, PKI: pki})
	if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionPKIReady) {
		t.Error("Ready of generation 1 counts for generation 2")
	}
}

func TestTimelineKeepsTheFirstTime(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	condition := func(name string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: name, Status: status}
	}
	first := report.Timeline(nil, created, []metav1.Condition{condition("A", "True"), condition("B", "False")}, created.Add(2*time.Second))
	second := report.Timeline(first, created, []metav1.Condition{condition("A", "False"), condition("B", "True")}, created.Add(5*time.Second))
	third := report.Timeline(second, created, []metav1.Condition{condition("A", "True"), condition("B", "True")}, created.Add(9*time.Second))
	want := []v1alpha1.TimelineStep{
		{Step: "A", CompletedAt: metav1.NewTime(created.Add(2 * time.Second)), Seconds: 2},
		{Step: "B", CompletedAt: metav1.NewTime(created.Add(5 * time.Second)), Seconds: 5},
	}
	if diff := cmp.Diff(want, third); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}
