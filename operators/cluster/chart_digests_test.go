package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/kit/testenv"
)

// chartDigests is a complete list for one version of Kubernetes.
func chartDigests(version string) map[string]string {
	digests := map[string]string{}
	for n, image := range []string{
		"etcd:v3.7.3", "kube-apiserver:" + version, "kube-controller-manager:" + version, "kube-scheduler:" + version, "guest:" + version,
		"slipway/cluster-operator:main", "slipway/cert-operator:main", "slipway/network-operator:main", "slipway/network-agent:main",
		"slipway/kvm-operator:main", "slipway/dns-operator:main",
	} {
		digests[image] = fmt.Sprintf("sha256:%064x", n+1)
	}
	return digests
}

// withDigests are the chart's values with these digests.
func withDigests(digests map[string]string) []string {
	values := append(slices.Clone(chartValues), "global.image.registry=registry.example.com", "global.image.tag=main")
	for image, digest := range digests {
		values = append(values, "global.image.digests."+strings.ReplaceAll(image, ".", `\.`)+"="+digest)
	}
	return values
}

// TestChartDigests: what is given once reaches each operator's pod, and the
// operators that make pods have it of the images that they use.
func TestChartDigests(t *testing.T) {
	digests := chartDigests("v1.36.3")
	flags := map[string][]string{}
	for _, object := range testenv.Chart(t, umbrellaChart, withDigests(digests)...) {
		containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		for _, container := range containers {
			name := object.GetName()
			image := "slipway/" + name + ":main"
			if got, want := container.(map[string]any)["image"], "registry.example.com/"+image+"@"+digests[image]; got != want {
				t.Errorf("%s has image %s, want %s", name, got, want)
			}
			arguments, _, _ := unstructured.NestedStringSlice(container.(map[string]any), "args")
			for _, argument := range arguments {
				if image, found := strings.CutPrefix(argument, "--image-digest="); found {
					flags[name] = append(flags[name], image)
				}
			}
		}
	}
	want := map[string][]string{}
	for operator, images := range map[string][]string{
		"cluster-operator": {"etcd:v3.7.3", "kube-apiserver:v1.36.3", "kube-controller-manager:v1.36.3", "kube-scheduler:v1.36.3"},
		"kvm-operator":     {"guest:v1.36.3"},
	} {
		for _, image := range images {
			want[operator] = append(want[operator], image+"@"+digests[image])
		}
	}
	if diff := cmp.Diff(want, flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

// TestChartRefusesDigests: a list that lacks an image is found before anything runs by it.
func TestChartRefusesDigests(t *testing.T) {
	for image := range chartDigests("v1.36.3") {
		t.Run("without "+image, func(t *testing.T) {
			digests := chartDigests("v1.36.3")
			delete(digests, image)
			got := testenv.ChartError(t, umbrellaChart, withDigests(digests)...)
			if wanted := "global.image.digests lacks " + image + ": give the digest of every image, or of none"; !strings.Contains(got, wanted) {
				t.Errorf("refused with %q, want %q", got, wanted)
			}
		})
	}
	one := chartDigests("v1.36.3")["etcd:v3.7.3"]
	for name, test := range map[string]struct {
		change func(map[string]string)
		wanted string
	}{
		"no version": {
			func(digests map[string]string) {
				maps.DeleteFunc(digests, func(image, _ string) bool { return strings.HasSuffix(image, ":v1.36.3") })
			},
			"global.image.digests has no version of Kubernetes: give digests of kube-apiserver:VERSION",
		},
		"half a second version": {
			func(digests map[string]string) { digests["kube-scheduler:v1.37.0"] = one },
			"global.image.digests lacks kube-apiserver:v1.37.0",
		},
		"no digest":     {func(digests map[string]string) { digests["etcd:v3.7.3"] = "v3.7.3" }, "etcd:v3.7.3"},
		"short digest":  {func(digests map[string]string) { digests["etcd:v3.7.3"] = one[:70] }, "etcd:v3.7.3"},
		"without a tag": {func(digests map[string]string) { digests["coredns"] = one }, "coredns"},
	} {
		t.Run(name, func(t *testing.T) {
			digests := chartDigests("v1.36.3")
			test.change(digests)
			if got := testenv.ChartError(t, umbrellaChart, withDigests(digests)...); !strings.Contains(got, test.wanted) {
				t.Errorf("refused with %q, want %q", got, test.wanted)
			}
		})
	}
}

// TestOfferedVersions: where images have digests, a version without is refused,
// and a tenant that has it may go on changing everything else.
func TestOfferedVersions(t *testing.T) {
	c := newAPI(t)
	const pools = "nodePools: [{name: a}]}"
	before := parse(t, "before", "spec: {version: v1.36.3, "+pools)
	if err := c.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	fresh := parse(t, "fresh", "spec: {version: v1.36.3, "+pools)
	enforceLimits(t, c, withDigests(chartDigests("v1.35.0")), fresh)
	err := c.Create(t.Context(), fresh)
	if wanted := "version asks for v1.36.3, which is not offered here; use v1.35.0"; err == nil || !strings.Contains(err.Error(), wanted) {
		t.Errorf("refused with %v, want %q", err, wanted)
	}
	for name, test := range map[string]struct{ spec, wanted string }{
		"more workers": {`{"nodePools": [{"name": "a", "replicas": 3}]}`, ""},
		// It had this version before, as that of its control plane.
		"a pool that keeps its version": {`{"nodePools": [{"name": "a", "version": "v1.36.3"}]}`, ""},
		"another pool of that version": {
			`{"nodePools": [{"name": "a"}, {"name": "b", "version": "v1.36.3"}]}`,
			"nodePool b asks for version v1.36.3, which is not offered here; use v1.35.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec": `+test.spec+`}`))
			err := c.Patch(t.Context(), before.DeepCopy(), patch, client.DryRunAll)
			if test.wanted == "" && err != nil {
				t.Error(err)
			}
			if test.wanted != "" && (err == nil || !strings.Contains(err.Error(), test.wanted)) {
				t.Errorf("refused with %v, want %q", err, test.wanted)
			}
		})
	}
}
