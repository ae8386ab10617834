package addons_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/addons"
)

func TestPlacement(t *testing.T) {
	pool := func(replicas int32, taints ...v1alpha1.NodeTaint) v1alpha1.NodePool {
		return v1alpha1.NodePool{Spec: v1alpha1.NodePoolSpec{Replicas: &replicas, Template: v1alpha1.MachineSpec{Taints: taints}}}
	}
	taint := func(key string, effect corev1.TaintEffect) v1alpha1.NodeTaint {
		return v1alpha1.NodeTaint{Key: key, Value: "v", Effect: effect}
	}
	tolerates := func(key string, effect corev1.TaintEffect) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: effect}
	}
	gpu := taint("gpu", corev1.TaintEffectNoSchedule)
	for name, test := range map[string]struct {
		pools []v1alpha1.NodePool
		want  addons.Placement
	}{
		"no pool":                       {nil, addons.Placement{Replicas: 1}},
		"a pool that is scaled to zero": {[]v1alpha1.NodePool{pool(0, gpu)}, addons.Placement{Replicas: 1}},
		"one worker":                    {[]v1alpha1.NodePool{pool(1)}, addons.Placement{Replicas: 1}},
		"two workers":                   {[]v1alpha1.NodePool{pool(1), pool(1)}, addons.Placement{Replicas: 2}},
		"many workers":                  {[]v1alpha1.NodePool{pool(40)}, addons.Placement{Replicas: 2}},
		"one of two has a taint":        {[]v1alpha1.NodePool{pool(1), pool(3, gpu)}, addons.Placement{Replicas: 1}},
		"for add-ons":                   {[]v1alpha1.NodePool{pool(2, taint("CriticalAddonsOnly", corev1.TaintEffectNoSchedule))}, addons.Placement{Replicas: 2}},
		"rather not":                    {[]v1alpha1.NodePool{pool(2, taint("gpu", corev1.TaintEffectPreferNoSchedule))}, addons.Placement{Replicas: 2}},
		"all have taints": {
			[]v1alpha1.NodePool{pool(1, taint("team", corev1.TaintEffectNoExecute), gpu), pool(1, gpu), pool(0, taint("unused", corev1.TaintEffectNoSchedule))},
			addons.Placement{Replicas: 2, Tolerations: []corev1.Toleration{
				tolerates("gpu", corev1.TaintEffectNoSchedule), tolerates("team", corev1.TaintEffectNoExecute),
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := addons.PlacementOn(test.pools); !reflect.DeepEqual(got, test.want) {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
		})
	}
}
