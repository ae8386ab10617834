package drain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/operators/kvm/drain"
)

func TestRemaining(t *testing.T) {
	pod := func(name string, change func(*corev1.Pod)) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		if change != nil {
			change(&p)
		}
		return p
	}
	ownedBy := func(kind string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "x", Controller: new(true)}}
		}
	}
	got := drain.Remaining([]corev1.Pod{
		pod("web-2", ownedBy("ReplicaSet")),
		pod("alone", nil),
		pod("going", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }),
		pod("agent", ownedBy("DaemonSet")),
		pod("static", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }),
		pod("job-1", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("job-2", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		pod("web-1", ownedBy("ReplicaSet")),
	})
	want := "default/alone, default/going (has a budget), default/web-1, 1 more"
	if diff := cmp.Diff(want, drain.Describe(got, map[string]string{"default/going": "has a budget"})); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}
