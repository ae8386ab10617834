package allocation

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
)

func TestMTUOf(t *testing.T) {
	for name, test := range map[string]struct {
		mtus   []int32
		wanted *int32
		want   int32
	}{
		"no hosts":          {nil, new(int32(1400)), 0},
		"the smallest host": {[]int32{9000, 1500, 1600}, nil, 1450},
		"what is wanted":    {[]int32{9000}, new(int32(1400)), 1400},
		"more than fits":    {[]int32{1500}, new(int32(1500)), 1450},
	} {
		t.Run(name, func(t *testing.T) {
			var hosts []v1alpha1.HostNetwork
			for i, mtu := range test.mtus {
				hosts = append(hosts, v1alpha1.HostNetwork{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i)}, Spec: v1alpha1.HostNetworkSpec{MTU: mtu}})
			}
			if got := mtuOf(hosts, test.wanted); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
