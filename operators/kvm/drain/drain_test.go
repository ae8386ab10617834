package drain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/operators/kvm/drain"
)

func TestRemaining(t *testing.T) {
	pod := func(name string, change func(*metav1.PartialObjectMetadata)) metav1.PartialObjectMetadata {
		p := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		if change != nil {
			change(&p)
		}
		return p
	}
	ownedBy := func(kind string) func(*metav1.PartialObjectMetadata) {
		return func(p *metav1.PartialObjectMetadata) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "x", Controller: new(true)}}
		}
	}
	got := drain.Remaining([]metav1.PartialObjectMetadata{
		pod("web-2", ownedBy("ReplicaSet")),
		pod("alone", nil),
		pod("going", func(p *metav1.PartialObjectMetadata) { p.DeletionTimestamp = &metav1.Time{} }),
		pod("agent", ownedBy("DaemonSet")),
		pod("static", func(p *metav1.PartialObjectMetadata) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		}),
		pod("web-1", ownedBy("ReplicaSet")),
	})
	want := "default/alone, default/going (has a budget), default/web-1, 1 more"
	if diff := cmp.Diff(want, drain.Describe(got, map[string]string{"default/going": "has a budget"})); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}
