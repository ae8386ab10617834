package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// rounds is how often each mistake is made, each time in another specification.
const rounds = 2

// seed makes every run try the same specifications.
const seed = 1

// saysWhatToWrite matches messages that help: our own, and the API server's for
// types, required fields, enumerations, bounds and keys that are there twice.
var saysWhatToWrite = regexp.MustCompile(`for example|e[.]g[.]|\buse\b|at most|should be|must be of type|supported values|Required value|Duplicate value|may not be more than|must have at most|unknown field|create another`)

// testGenerated makes good specifications at random, and of each a bad one by a
// single mistake. The API server accepts every good one and refuses every bad
// one, with words that say what to write.
func testGenerated(t *testing.T, c client.Client) {
	random := rand.New(rand.NewPCG(seed, seed))
	var accepted, refused int
	for range rounds {
		for _, mistake := range mistakes() {
			object := goodCluster(random)
			if err := c.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Fatalf("a good specification is refused: %v\n%v", err, object.Object["spec"])
			}
			accepted++
			mistake.make(object)
			err := c.Create(t.Context(), object, client.DryRunAll)
			if err == nil {
				t.Errorf("accepted: %s", mistake.name)
				continue
			}
			refused++
			for _, message := range messages(err) {
				if !saysWhatToWrite.MatchString(message) {
					t.Errorf("%s: the message does not say what to write: %s", mistake.name, message)
				}
			}
		}
	}
	fmt.Printf("generated specifications: %d good ones accepted, %d bad ones refused\n", accepted, refused)
	if accepted < 200 || refused < 500 {
		t.Errorf("%d good and %d bad specifications are too few", accepted, refused)
	}
}

// messages of a refusal, one for each thing that is wrong.
func messages(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return []string{err.Error()}
	}
	var texts []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == "" || cause.Field == "<nil>" {
			continue // only says that further rules were not checked
		}
		texts = append(texts, cause.Field+": "+cause.Message)
	}
	return texts
}

func oneOf[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

func maybe(random *rand.Rand, object map[string]any, key string, value any) {
	if random.IntN(2) == 0 {
		object[key] = value
	}
}

// goodCluster is a specification with any of the fields, in many of the forms that they may have.
func goodCluster(random *rand.Rand) *unstructured.Unstructured {
	spec := map[string]any{"version": string(oneOf(random, v1alpha1.SupportedVersions...))}
	maybe(random, spec, "controlPlane", goodControlPlane(random))
	maybe(random, spec, "network", goodNetwork(random))
	maybe(random, spec, "exposure", map[string]any{
		"type": oneOf(random, "ClusterIP", "NodePort"),
		"certSANs": oneOf(random, []any{}, []any{"api.example.com"}, []any{"*.example.com", "192.0.2.1"}, []any{"2001:db8::1", "localhost", "127.0.0.1"},
			[]any{"xn--bcher-kva.example", "a-1.b-2.example.com"}),
	})
	maybe(random, spec, "dns", map[string]any{"domain": oneOf(random, "cluster.local", "k8s", "a.b-c.1d.example.com", repeat("a", 63)+"."+repeat("b", 56))})
	maybe(random, spec, "registries", goodRegistries(random))
	maybe(random, spec, "nodePools", goodPools(random))
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	object.SetNamespace("team")
	object.SetName(oneOf(random, "demo", "a", "team-a-1", repeat("x", 40)))
	return object
}

func goodControlPlane(random *rand.Rand) map[string]any {
	controlPlane := map[string]any{"replicas": random.Int64N(5) + 1}
	etcd := map[string]any{"replicas": oneOf(random, int64(1), 3, 5)}
	maybe(random, etcd, "storage", oneOf[any](random, "512Mi", "2Gi", "1.5Gi", "32Gi", "4G", int64(2147483648), "2e9"))
	maybe(random, etcd, "storageClassName", oneOf(random, "fast", "slow"))
	maybe(random, controlPlane, "etcd", etcd)
	maybe(random, controlPlane, "resources", oneOf(random,
		map[string]any{},
		map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "64Mi"}},
		map[string]any{"requests": map[string]any{"cpu": int64(1)}, "limits": map[string]any{"memory": "256Mi"}},
		map[string]any{"requests": map[string]any{"cpu": "1.5", "memory": "1Gi"}, "limits": map[string]any{"cpu": "1500m", "memory": "1024Mi"}},
		map[string]any{"limits": map[string]any{"cpu": "0.100", "memory": int64(1073741824)}},
		map[string]any{"limits": map[string]any{"cpu": "4", "memory": "16Gi"}}))
	return controlPlane
}

func goodNetwork(random *rand.Rand) map[string]any {
	network := map[string]any{}
	// Of three lists that do not meet one another, nor what is taken.
	maybe(random, network, "podCIDR", oneOf(random, "10.0.0.0/14", "10.244.0.0/16", "10.8.0.0/19", "192.168.0.0/17", "198.18.0.0/15", "64.0.0.0/8"))
	maybe(random, network, "serviceCIDR", oneOf(random, "10.96.0.0/12", "10.96.0.0/16", "10.112.3.0/24", "192.168.128.0/18", "172.16.0.0/16"))
	maybe(random, network, "nodeCIDR", oneOf(random, "10.200.0.0/24", "10.201.0.0/16", "192.168.192.0/23", "172.30.1.0/24", "203.0.112.0/22"))
	maybe(random, network, "mtu", oneOf(random, int64(1280), 1400, 8950))
	maybe(random, network, "cni", oneOf(random, "bridge", "none"))
	return network
}

func goodRegistries(random *rand.Rand) []any {
	var registries []any
	for _, host := range []string{"docker.io", "registry.example.com:5000", "localhost:65535", "10.1.2.3", "a--b.example"} {
		registry := map[string]any{
			"host": host,
			"endpoint": oneOf(random, "https://mirror.example.com:5000", "https://mirror", "https://10.1.2.3:65535/v2/docker", "https://Mirror.Example.com/",
				"https://m.example/a_b/c~d.e/%20"),
		}
		maybe(random, registry, "caSecretName", oneOf(random, "ca", "mirror.ca-1", repeat("c", 253)))
		maybe(random, registry, "credentialsSecretName", oneOf(random, "login", repeat("l", 253)))
		if random.IntN(2) == 0 {
			registries = append(registries, registry)
		}
	}
	return append(registries, map[string]any{"host": "ghcr.io", "endpoint": "http://mirror.example.com"})
}

func goodPools(random *rand.Rand) []any {
	var pools []any
	for _, name := range []string{"workers", "a", repeat("p", 40), "gpu-1"}[:random.IntN(5)] {
		pool := map[string]any{"name": name}
		maybe(random, pool, "replicas", oneOf(random, int64(0), 1, 3, 7))
		maybe(random, pool, "version", string(oneOf(random, v1alpha1.SupportedVersions...)))
		machine := map[string]any{}
		maybe(random, machine, "cores", oneOf(random, int64(1), 2, 16))
		maybe(random, machine, "memory", oneOf[any](random, "1Gi", "2.5Gi", "64Gi", int64(4294967296), "2G"))
		maybe(random, machine, "disk", oneOf[any](random, "4Gi", "10Gi", "200Gi", "5e9"))
		maybe(random, pool, "machine", machine)
		maybe(random, pool, "labels", oneOf(random,
			map[string]any{},
			map[string]any{"zone": "a", "example.com/disk": "fast", "Example_1.x": ""},
			map[string]any{repeat("d", 63) + ".example/" + repeat("n", 63): repeat("v", 63), "mykubernetes.io/a": "b"}))
		maybe(random, pool, "taints", oneOf(random,
			[]any{},
			[]any{map[string]any{"key": "example.com/dedicated", "value": "db", "effect": "NoSchedule"}},
			[]any{map[string]any{"key": "a", "effect": "NoSchedule"}, map[string]any{"key": "a", "effect": "NoExecute"}, map[string]any{"key": "b", "effect": "PreferNoSchedule"}},
			[]any{map[string]any{"key": "node-role.kubernetes.io/infra", "effect": "NoSchedule"}}))
		maybe(random, pool, "kubelet", oneOf(random,
			map[string]any{},
			map[string]any{"maxPods": int64(250), "reserved": map[string]any{"cpu": "100m", "memory": "500Mi"}},
			map[string]any{"evictionHard": map[string]any{"memory.available": "200Mi", "nodefs.available": "5%", "pid.available": "1000"}, "shutdownGracePeriodSeconds": int64(60)}))
		maybe(random, pool, "drainTimeoutSeconds", oneOf(random, int64(1), 600, 86400))
		pools = append(pools, pool)
	}
	return pools
}
