package controlplane

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

const mebibyte = 1 << 20

// Resources are what a container asks for and what it may have at most.
type Resources struct {
	Requests corev1.ResourceList
	Limits   corev1.ResourceList
}

// What an API server has where its TenantCluster says nothing: it asks for what
// an idle one uses, 154 MiB and 16 m, so that a node is full when it is full and
// not before. The limit is for a tenant that floods its API.
//
// Requests also decide how a busy node shares its CPU time. A control plane has
// much to do while it starts, so its pods are resized to more until all of them
// are ready (ADR 10).
const (
	apiServerCPU         = 25 // milli-cores
	apiServerStartCPU    = 200
	apiServerMemory      = 160 * mebibyte
	apiServerMemoryLimit = 1024 * mebibyte
)

// leastMemoryLimit is the lowest limit of any component, however little its API
// server may have: with less it would not start.
const leastMemoryLimit = 128 * mebibyte

// share is what another component has, as a part of what an API server has. The
// parts are those of an idle control plane. A tenant with more objects needs
// more of everything, and its API server is the one whose size it is asked.
type share struct {
	cpu, memory, memoryLimit float64
}

var shares = map[string]share{
	APIServer: {cpu: 1, memory: 1, memoryLimit: 1},
	// The limit of a store follows from the size of its volume.
	Etcd:              {cpu: 3. / 5, memory: 1. / 5},
	ControllerManager: {cpu: 2. / 5, memory: 1. / 4, memoryLimit: 1. / 2},
	Scheduler:         {cpu: 1. / 5, memory: 1. / 8, memoryLimit: 1. / 4},
}

// Resources of a component. What the TenantCluster asks for is its API servers',
// and the others take their share, never less than of the defaults. A limit of
// CPU time holds for API servers alone: throttled, the others would lose their
// leases and quorum.
func (t Tenant) Resources(component string) Resources {
	apiServer := t.apiServerResources()
	if component == APIServer {
		return apiServer
	}
	part := shares[component]
	cpu := max(apiServer.Requests.Cpu().MilliValue(), apiServerCPU)
	memory := max(apiServer.Requests.Memory().Value(), apiServerMemory)
	result := Resources{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(scale(cpu, part.cpu), resource.DecimalSI),
		corev1.ResourceMemory: mebibytes(scale(memory, part.memory)),
	}}
	if part.memoryLimit > 0 {
		return result.WithMemoryLimit(scale(apiServer.Limits.Memory().Value(), part.memoryLimit))
	}
	return result
}

// Resize is what raises the CPU request of a pod that is boosted, or lowers that
// of one that is not any more; nil where nothing has to change. It makes no new
// pod: only the shares change.
func (t Tenant) Resize(pod *corev1.Pod, boosted bool) *corev1ac.PodApplyConfiguration {
	component := pod.Labels[LabelComponent]
	if _, known := shares[component]; !known || pod.DeletionTimestamp != nil {
		return nil
	}
	resources := t.Resources(component)
	wanted := resources.Requests[corev1.ResourceCPU]
	if boosted {
		wanted = resources.startCPU(component)
	}
	for _, container := range pod.Spec.Containers {
		if container.Name != component {
			continue
		}
		current := container.Resources.Requests.Cpu()
		if boosted && current.Cmp(wanted) < 0 || !boosted && current.Cmp(wanted) > 0 {
			return corev1ac.Pod(pod.Name, pod.Namespace).WithUID(pod.UID).WithSpec(corev1ac.PodSpec().
				WithContainers(corev1ac.Container().WithName(component).WithResources(corev1ac.ResourceRequirements().
					WithRequests(corev1.ResourceList{corev1.ResourceCPU: wanted}))))
		}
	}
	return nil
}

// startCPU is what a component requests while its control plane starts.
func (r Resources) startCPU(component string) resource.Quantity {
	cpu := *resource.NewMilliQuantity(scale(apiServerStartCPU, shares[component].cpu), resource.DecimalSI)
	if limit, limited := r.Limits[corev1.ResourceCPU]; limited && cpu.Cmp(limit) > 0 {
		return limit
	}
	return cpu
}

// WithMemoryLimit sets a limit in bytes, which is never below the request.
func (r Resources) WithMemoryLimit(limit int64) Resources {
	limit = max(limit, leastMemoryLimit, r.Requests.Memory().Value())
	r.Limits = corev1.ResourceList{corev1.ResourceMemory: mebibytes(limit)}
	return r
}

// apiServerResources are the user's where the user has given any. A request
// above its limit, which Kubernetes would refuse, is lowered to it. Somebody who
// asks for a lot without a limit is held to that, because it is what the
// platform's maximum has been compared with.
func (t Tenant) apiServerResources() Resources {
	wanted := t.Spec.ControlPlane.Resources
	result := Resources{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(apiServerCPU, resource.DecimalSI),
			corev1.ResourceMemory: mebibytes(apiServerMemory),
		},
		Limits: corev1.ResourceList{},
	}
	maps.Copy(result.Requests, wanted.Requests.List())
	memory := result.Requests.Memory().Value()
	result.Limits[corev1.ResourceMemory] = mebibytes(max(apiServerMemoryLimit, memory))
	maps.Copy(result.Limits, wanted.Limits.List())
	for name, request := range result.Requests {
		if limit, limited := result.Limits[name]; limited && request.Cmp(limit) > 0 {
			result.Requests[name] = limit
		}
	}
	return result
}

func (r Resources) apply() *corev1ac.ResourceRequirementsApplyConfiguration {
	result := corev1ac.ResourceRequirements().WithRequests(r.Requests)
	if len(r.Limits) > 0 {
		result.WithLimits(r.Limits)
	}
	return result
}

// goRuntime makes a Go process trade a little CPU time for a third of its
// memory: an idle API server takes 142 MB of anonymous memory where it took 187.
// Near its limit it collects garbage rather than be killed; a tenth is left for
// what the Go runtime does not count.
func (r Resources) goRuntime() []*corev1ac.EnvVarApplyConfiguration {
	env := []*corev1ac.EnvVarApplyConfiguration{corev1ac.EnvVar().WithName("GOGC").WithValue("40")}
	if limit := r.Limits.Memory().Value(); limit > 0 {
		env = append(env, corev1ac.EnvVar().WithName("GOMEMLIMIT").WithValue(fmt.Sprintf("%dMiB", limit/10*9/mebibyte)))
	}
	return env
}

func scale(value int64, part float64) int64 {
	return int64(float64(value) * part)
}

func mebibytes(bytes int64) resource.Quantity {
	return *resource.NewQuantity(bytes/mebibyte*mebibyte, resource.BinarySI)
}
