package controlplane_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
)

func amounts(cpu, memory string) (result v1alpha1.ComputeResources) {
	if cpu != "" {
		result.CPU = new(resource.MustParse(cpu))
	}
	if memory != "" {
		result.Memory = new(resource.MustParse(memory))
	}
	return result
}

func describe(r controlplane.Resources) string {
	return fmt.Sprintf("%s %s, limits %s %s", r.Requests.Cpu(), r.Requests.Memory(), r.Limits.Cpu(), r.Limits.Memory())
}

func TestResources(t *testing.T) {
	for name, test := range map[string]struct {
		requests, limits                        v1alpha1.ComputeResources
		apiServer, etcd, controllers, scheduler string
	}{
		"nothing asked for": {
			apiServer: "25m 160Mi, limits 0 1Gi", etcd: "15m 32Mi, limits 0 0",
			controllers: "10m 40Mi, limits 0 512Mi", scheduler: "5m 20Mi, limits 0 256Mi",
		},
		"a limit alone leaves the request": {
			limits:    amounts("2", "4Gi"),
			apiServer: "25m 160Mi, limits 2 4Gi", etcd: "15m 32Mi, limits 0 0",
			controllers: "10m 40Mi, limits 0 2Gi", scheduler: "5m 20Mi, limits 0 1Gi",
		},
		"a small limit lowers the request": {
			limits:    amounts("10m", "128Mi"),
			apiServer: "10m 128Mi, limits 10m 128Mi", etcd: "15m 32Mi, limits 0 0",
			controllers: "10m 40Mi, limits 0 128Mi", scheduler: "5m 20Mi, limits 0 128Mi",
		},
		"a large request raises the limit": {
			requests:  amounts("1", "2Gi"),
			apiServer: "1 2Gi, limits 0 2Gi", etcd: "600m 409Mi, limits 0 0",
			controllers: "400m 512Mi, limits 0 1Gi", scheduler: "200m 256Mi, limits 0 512Mi",
		},
		"a small request is the API server's alone": {
			requests:  amounts("1m", "1Mi"),
			apiServer: "1m 1Mi, limits 0 1Gi", etcd: "15m 32Mi, limits 0 0",
			controllers: "10m 40Mi, limits 0 512Mi", scheduler: "5m 20Mi, limits 0 256Mi",
		},
		"a request above the limit is lowered to it": {
			requests: amounts("", "3Gi"), limits: amounts("", "2Gi"),
			apiServer: "25m 2Gi, limits 0 2Gi", etcd: "15m 409Mi, limits 0 0",
			controllers: "10m 512Mi, limits 0 1Gi", scheduler: "5m 256Mi, limits 0 512Mi",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := controlplanetest.Tenant()
			tenant.Spec.ControlPlane.Resources = v1alpha1.ControlPlaneResources{Requests: test.requests, Limits: test.limits}
			want := map[string]string{
				controlplane.APIServer: test.apiServer, controlplane.Etcd: test.etcd,
				controlplane.ControllerManager: test.controllers, controlplane.Scheduler: test.scheduler,
			}
			got := map[string]string{}
			for component := range want {
				got[component] = describe(tenant.Resources(component))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a plane asks for is what ten of them on two processors leave room for.
func TestAnIdlePlaneAsksForLittle(t *testing.T) {
	tenant := controlplanetest.Tenant()
	var cpu, memory resource.Quantity
	for _, component := range controlplane.Components {
		requests := tenant.Resources(component).Requests
		cpu.Add(*requests.Cpu())
		memory.Add(*requests.Memory())
	}
	if cpu.Cmp(resource.MustParse("60m")) > 0 || memory.Cmp(resource.MustParse("256Mi")) > 0 {
		t.Errorf("a plane asks for %s and %s, more than 60m and 256Mi", &cpu, &memory)
	}
}

func TestALimitIsNeverBelowTheRequest(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.ControlPlane.Resources.Requests = amounts("", "8Gi")
	if got := describe(tenant.Resources(controlplane.Etcd).WithMemoryLimit(1 << 20)); got != "15m 1638Mi, limits 0 1638Mi" {
		t.Error(got)
	}
}

// A component asks for more while its control plane starts, and then for what Resources says.
func TestResize(t *testing.T) {
	for name, test := range map[string]struct {
		component, asked string
		limits           v1alpha1.ComputeResources
		boosted, running string
	}{
		"an API server as it is made":        {controlplane.APIServer, "25m", amounts("", ""), "200m", ""},
		"an API server that was resized":     {controlplane.APIServer, "200m", amounts("", ""), "", "25m"},
		"an etcd as it is made":              {controlplane.Etcd, "15m", amounts("", ""), "120m", ""},
		"an etcd that was resized":           {controlplane.Etcd, "120m", amounts("", ""), "", "15m"},
		"one that asks for more than that":   {controlplane.APIServer, "1", amounts("", ""), "", "25m"},
		"one below its limit":                {controlplane.APIServer, "25m", amounts("100m", ""), "100m", ""},
		"one at its limit":                   {controlplane.APIServer, "100m", amounts("100m", ""), "", "25m"},
		"a pod that is none of the platform": {"something", "20m", amounts("", ""), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := controlplanetest.Tenant()
			tenant.Spec.ControlPlane.Resources.Limits = test.limits
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{controlplane.LabelComponent: test.component}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "other", Resources: corev1.ResourceRequirements{Requests: amounts("1", "").List()}},
					{Name: test.component, Resources: corev1.ResourceRequirements{Requests: amounts(test.asked, "1Mi").List()}},
				}},
			}
			for boosted, want := range map[bool]string{true: test.boosted, false: test.running} {
				got := ""
				if resize := tenant.Resize(pod, boosted); resize != nil {
					container := resize.Spec.Containers[0]
					got = container.Resources.Requests.Cpu().String()
					if *container.Name != test.component || len(*container.Resources.Requests) != 1 {
						t.Errorf("container %s is resized to %v", *container.Name, *container.Resources.Requests)
					}
				}
				if got != want {
					t.Errorf("boosted %t: resized to %q, want %q", boosted, got, want)
				}
			}
		})
	}
}
