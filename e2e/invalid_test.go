package e2e

import (
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// Each specification that cannot work is refused with a message that says what to write instead.
func TestRejected(t *testing.T) {
	for name, story := range map[string]struct {
		change  func(*v1alpha1.TenantCluster)
		message string
	}{
		"overlapping ranges": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Network.PodCIDR = "10.96.0.0/12" },
			"podCIDR and serviceCIDR overlap; use ranges of their own",
		},
		"node range too small": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Network.NodeCIDR = "10.200.0.0/28" },
			"nodeCIDR is too small",
		},
		"pod range too small": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Network.PodCIDR = "10.244.0.0/24" },
			"podCIDR is too small",
		},
		"not a range": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Network.PodCIDR = "10.244.0.0" },
			"write it as ADDRESS/PREFIX",
		},
		"even number of etcd replicas": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.ControlPlane.Etcd.Replicas = 2 },
			"use 1, 3 or 5",
		},
		"unknown version": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Version = "v1.99.0" },
			"use v1.36.3",
		},
		"malformed version": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.Version = "1.36" },
			"a version has the form v1.MINOR.PATCH",
		},
		"pool newer than the control plane": {
			func(tc *v1alpha1.TenantCluster) {
				tc.Spec.NodePools[0].Version = new(v1alpha1.KubernetesVersion("v1.37.0"))
			},
			"a nodePool may not run a newer Kubernetes than the control plane",
		},
		"guest memory too small": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.NodePools[0].Machine.Memory = resource.MustParse("256Mi") },
			"use 1Gi or more",
		},
		"name too long": {
			func(tc *v1alpha1.TenantCluster) { tc.Name = strings.Repeat("a", 41) },
			"use a shorter name",
		},
		"name with a dot": {
			func(tc *v1alpha1.TenantCluster) { tc.Name = "a.b" },
			"must be a DNS label",
		},
		"name of a pool": {
			func(tc *v1alpha1.TenantCluster) { tc.Spec.NodePools[0].Name = "Workers" },
			"a nodePool's name must be a DNS label",
		},
		"registry without a scheme": {
			func(tc *v1alpha1.TenantCluster) {
				tc.Spec.Registries = []v1alpha1.Registry{{Host: "docker.io", Endpoint: "mirror:5000"}}
			},
			"endpoint must be a URL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc := specification("default", "rejected")
			story.change(tc)
			err := env.management.Create(t.Context(), tc, client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), story.message) {
				t.Fatalf("want a refusal that says %q, got: %v", story.message, err)
			}
		})
	}
}

// What cannot change is refused on change.
func TestRejectedChange(t *testing.T) {
	te := alpha.get(t)
	for name, story := range map[string]struct {
		change  func(*v1alpha1.TenantCluster)
		message string
	}{
		"ranges":       {func(tc *v1alpha1.TenantCluster) { tc.Spec.Network.PodCIDR = "10.100.0.0/16" }, "cannot change; create another TenantCluster"},
		"etcd storage": {func(tc *v1alpha1.TenantCluster) { tc.Spec.ControlPlane.Etcd.Storage = resource.MustParse("5Gi") }, "etcd.storage cannot change"},
		"DNS domain":   {func(tc *v1alpha1.TenantCluster) { tc.Spec.DNS.Domain = "example.internal" }, "dns.domain cannot change"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := &v1alpha1.TenantCluster{}
			if err := env.management.Get(t.Context(), client.ObjectKeyFromObject(te.TenantCluster), changed); err != nil {
				t.Fatal(err)
			}
			before := changed.DeepCopy()
			story.change(changed)
			err := env.management.Patch(t.Context(), changed, client.MergeFrom(before), client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), story.message) {
				t.Fatalf("want a refusal that says %q, got: %v", story.message, err)
			}
		})
	}
}

// A specification that is valid but cannot be met says in its status which
// object blocks, and recovers when that is mended. Four things block this
// tenant's worker, one behind the other.
func TestImpossible(t *testing.T) {
	restoreImage := removeImage(t, guestImage)
	spec := specification("team-impossible", "main")
	spec.Spec.Registries[0].CASecretName = "late"
	spec.Spec.NodePools[0].Machine.Memory = resource.MustParse("60Gi")
	te := submit(t, spec)

	te.awaitBlocked(t, "Secret late of registry "+env.registry.host+" not found")
	late := registryCA(te.Namespace, "late")
	late.Labels = nil
	if err := env.management.Create(t.Context(), late); err != nil {
		t.Fatal(err)
	}

	te.awaitBlocked(t, "Secret late of registry "+env.registry.host+" may not be given to workers")
	shareable := late.DeepCopy()
	shareable.Labels = map[string]string{v1alpha1.LabelShareWithWorkers: "true"}
	if err := env.management.Patch(t.Context(), shareable, client.MergeFrom(late)); err != nil {
		t.Fatal(err)
	}

	te.awaitBlocked(t, "Machine a-", "Insufficient memory")
	mended := &v1alpha1.TenantCluster{}
	if err := env.management.Get(t.Context(), client.ObjectKeyFromObject(te.TenantCluster), mended); err != nil {
		t.Fatal(err)
	}
	before := mended.DeepCopy()
	mended.Spec.NodePools[0].Machine.Memory = resource.MustParse("2Gi")
	if err := env.management.Patch(t.Context(), mended, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}

	te.awaitBlocked(t, "Machine a-", image(guestImage), "not found")
	restoreImage()
	te.awaitReady(t)
}

// awaitBlocked waits until the tenant says that all of texts keep its workers from being ready.
func (te *tenant) awaitBlocked(t *testing.T, texts ...string) {
	t.Helper()
	te.await(t, "status says: "+strings.Join(texts, ", "), func(tc *v1alpha1.TenantCluster) bool {
		c := meta.FindStatusCondition(tc.Status.Conditions, v1alpha1.ConditionWorkersReady)
		return c != nil && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(c.Message, text) })
	})
}
