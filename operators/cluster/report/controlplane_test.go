package report_test

import (
	"maps"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/conditions"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
	"slipway.dev/operators/cluster/report"
)

func statefulSet(name string, wanted, ready int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "set", Generation: 2},
		Spec:       appsv1.StatefulSetSpec{Replicas: &wanted},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 2, Replicas: wanted, ReadyReplicas: ready, UpdatedReplicas: wanted},
	}
}

func deployment(name string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2},
		Spec:       appsv1.DeploymentSpec{Replicas: new(int32(1))},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1},
	}
}

// complete is a tenant of which all is there but for the add-ons.
func complete() report.State {
	ready := func(generation int64) []metav1.Condition {
		c := conditions.True(v1alpha1.ConditionReady, "Ready", "")
		c.ObservedGeneration = generation
		return []metav1.Condition{c}
	}
	return state(func(seen *observed.Tenant, wanted *desired.State) {
		seen.Network = &v1alpha1.TenantNetwork{Status: v1alpha1.TenantNetworkStatus{Conditions: ready(0)}}
		seen.PKI = &v1alpha1.TenantPKI{Status: v1alpha1.TenantPKIStatus{Conditions: ready(0)}}
		seen.DNS = &v1alpha1.TenantDNS{Status: v1alpha1.TenantDNSStatus{Conditions: ready(0)}}
		seen.StatefulSets = []*appsv1.StatefulSet{statefulSet(controlplane.Etcd, 1, 1), statefulSet(controlplane.APIServer, 1, 1)}
		seen.Deployments = []*appsv1.Deployment{deployment(controlplane.ControllerManager), deployment(controlplane.Scheduler)}
		wanted.Kubeconfig = "demo-kubeconfig"
	})
}

func pod(component string, status corev1.PodStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: component + "-0", Labels: map[string]string{controlplane.LabelComponent: component}},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + component + "-0"},
		}}}},
		Status: status,
	}
}

func containerStatus(status corev1.ContainerStatus) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}}
}

func waiting(reason, message string) corev1.PodStatus {
	return containerStatus(corev1.ContainerStatus{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
	})
}

func TestControlPlaneNamesWhatBlocks(t *testing.T) {
	crashed := waiting("CrashLoopBackOff", "back-off 10s restarting failed container\ndetails")
	crashed.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 2, Message: "log\npanic: no space left on device\n"}
	ended := containerStatus(corev1.ContainerStatus{State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"},
	}})
	refused := &corev1.Event{
		InvolvedObject: corev1.ObjectReference{UID: "set"}, Reason: "FailedCreate", Message: "exceeded quota: small\nmore",
	}
	foreign := &corev1.Event{InvolvedObject: corev1.ObjectReference{UID: "set of before"}, Reason: "FailedCreate", Message: "old"}
	for name, test := range map[string]struct {
		change func(*report.State)
		want   string
	}{
		"nothing": {func(*report.State) {}, "True Ready: "},
		"inputs": {func(s *report.State) {
			s.Seen.StatefulSets = s.Seen.StatefulSets[1:]
			s.Wanted.Waiting[controlplane.Etcd] = "TenantPKI demo: Secrets not issued yet: etcd-peer"
		}, "False Waiting: TenantPKI demo: Secrets not issued yet: etcd-peer"},
		"inputs of a component that runs": {func(s *report.State) {
			s.Wanted.Waiting[controlplane.APIServer] = "TenantPKI demo: Secrets not issued yet: apiserver"
		}, "False Waiting: TenantPKI demo: Secrets not issued yet: apiserver"},
		"no room, and no volume": {func(s *report.State) {
			s.Seen.StatefulSets[0] = statefulSet(controlplane.Etcd, 1, 0)
			s.Seen.Pods = []*corev1.Pod{pod(controlplane.Etcd, corev1.PodStatus{Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available",
			}}})}
			s.Seen.Claims = []*corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data-etcd-0"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
			}}
		}, "False Unschedulable: Pod etcd-0: Unschedulable: 0/1 nodes are available; PersistentVolumeClaim data-etcd-0 is Pending"},
		"image of the second component": {func(s *report.State) {
			s.Seen.StatefulSets[1] = statefulSet(controlplane.APIServer, 1, 0)
			s.Seen.Pods = []*corev1.Pod{pod(controlplane.APIServer, waiting("ImagePullBackOff", "no such image"))}
		}, "False ImagePullBackOff: Pod kube-apiserver-0: ImagePullBackOff no such image"},
		"crash": {func(s *report.State) {
			s.Seen.StatefulSets[0] = statefulSet(controlplane.Etcd, 1, 0)
			s.Seen.Pods = []*corev1.Pod{pod(controlplane.Etcd, crashed)}
		}, "False CrashLoopBackOff: Pod etcd-0: CrashLoopBackOff (last exit code 2: panic: no space left on device) back-off 10s restarting failed container"},
		"lost majority": {func(s *report.State) {
			s.Seen.StatefulSets[0] = statefulSet(controlplane.Etcd, 3, 1)
			s.Seen.Pods = []*corev1.Pod{pod(controlplane.Etcd, ended)}
		}, "False Terminated: Pod etcd-0: exited with code 137 (OOMKilled); etcd has 1 of 3 members and needs 2 to work"},
		"a quota refuses a StatefulSet's pods": {func(s *report.State) {
			s.Seen.StatefulSets[0] = statefulSet(controlplane.Etcd, 1, 0)
			s.Seen.FailedCreates = []*corev1.Event{refused, foreign}
		}, "False FailedCreate: StatefulSet etcd: exceeded quota: small"},
		"a quota refuses a Deployment's pods": {func(s *report.State) {
			s.Seen.Deployments[1].Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Conditions: []appsv1.DeploymentCondition{{
				Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota: small",
			}}}
		}, "False FailedCreate: Deployment kube-scheduler: exceeded quota: small"},
		"an event of before": {func(s *report.State) {
			s.Seen.StatefulSets[0] = statefulSet(controlplane.Etcd, 1, 0)
			s.Seen.FailedCreates = []*corev1.Event{foreign}
		}, "False Progressing: etcd: 0 of 1 replicas are ready"},
		"a StatefulSet whose controller has not looked": {
			func(s *report.State) { s.Seen.StatefulSets[1].Generation = 3 }, "False Progressing: kube-apiserver: is being rolled out",
		},
		"a StatefulSet with old pods": {
			func(s *report.State) { s.Seen.StatefulSets[1].Status.UpdatedReplicas = 0 }, "False Progressing: kube-apiserver: is being rolled out",
		},
		"a Deployment whose controller has not looked": {
			func(s *report.State) { s.Seen.Deployments[0].Generation = 3 }, "False Progressing: kube-controller-manager: is being rolled out",
		},
		"a Deployment with an old pod beside the new": {
			func(s *report.State) { s.Seen.Deployments[0].Status.Replicas = 2 }, "False Progressing: kube-controller-manager: is being rolled out",
		},
		"no endpoint yet": {
			func(s *report.State) {
				s.Wanted.KubeconfigWaits = "Service kube-apiserver: no address from outside yet"
			},
			"False Waiting: Service kube-apiserver: no address from outside yet",
		},
		"a foreign kubeconfig": {func(s *report.State) {
			s.Wanted.Kubeconfig, s.Wanted.Conflict = "", "Secret demo-kubeconfig exists"
		}, "False KubeconfigConflict: Secret demo-kubeconfig exists"},
		"an API that answers nobody": {func(s *report.State) {
			s.Seen.Cluster.Status.Conditions = []metav1.Condition{conditions.Unknown(v1alpha1.ConditionAddonsReady, tenantapi.ReasonUnreachable, "no answer")}
		}, "Unknown TenantAPIUnreachable: no answer"},
		"a tenant with too many objects": {func(s *report.State) {
			s.Seen.Cluster.Status.Conditions = []metav1.Condition{conditions.Unknown(v1alpha1.ConditionAddonsReady, tenantapi.ReasonTooManyObjects, "too many")}
		}, "True Ready: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := complete()
			s.Wanted.Waiting = maps.Clone(s.Wanted.Waiting)
			test.change(&s)
			if got := text(t, []metav1.Condition{report.ControlPlane(s)}, v1alpha1.ConditionControlPlaneReady); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}
