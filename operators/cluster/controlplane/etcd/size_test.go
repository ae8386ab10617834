package etcd_test

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/operators/cluster/controlplane/controlplanetest"
	"slipway.dev/operators/cluster/controlplane/etcd"
)

func TestQuotaAndMemoryFitTheVolume(t *testing.T) {
	const mebibyte = 1 << 20
	for _, test := range []struct {
		storage       string
		members       int32
		quota, memory int64 // MiB
	}{
		{"512Mi", 1, 128, 663},
		{"1Gi", 1, 384, 919},
		{"2Gi", 1, 768, 1303},
		{"2Gi", 3, 768, 1677},
		{"8Gi", 1, 3584, 4119},
		{"17Gi", 1, 8192, 8727},
		{"100Gi", 1, 8192, 8727},
	} {
		tenant := controlplanetest.Tenant()
		tenant.Spec.ControlPlane.Etcd.Storage = resource.MustParse(test.storage)
		tenant.Spec.ControlPlane.Etcd.Replicas = test.members
		container := etcd.StatefulSet(tenant).Spec.Template.Spec.Containers[0]
		if want := fmt.Sprintf("--quota-backend-bytes=%d", test.quota*mebibyte); !slices.Contains(container.Command, want) {
			t.Errorf("%s: no %s in %q", test.storage, want, container.Command)
		}
		if got := (*container.Resources.Limits).Memory().Value(); got != test.memory*mebibyte {
			t.Errorf("%s, %d members: memory limit %d MiB, want %d", test.storage, test.members, got/mebibyte, test.memory)
		}
	}
}
