package main

import (
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// TestTenantClusterValidation submits specifications to a real API server: the
// rules are in the CRD, and nothing else checks them.
func TestTenantClusterValidation(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(testenv.Start(t, testenv.SlipwayCRDs(2)), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}); err != nil {
		t.Fatal(err)
	}
	t.Run("defaults", func(t *testing.T) { testDefaults(t, c) })
	t.Run("creation", func(t *testing.T) { testCreation(t, c) })
	t.Run("change", func(t *testing.T) { testChange(t, c) })
}

const smallest = "spec: {version: v1.36.3, nodePools: [{name: a}]}"

func parse(t *testing.T, name, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantCluster"))
	object.SetNamespace("team")
	object.SetName(name)
	return object
}

func testDefaults(t *testing.T, c client.Client) {
	if err := c.Create(t.Context(), parse(t, "demo", smallest)); err != nil {
		t.Fatal(err)
	}
	got := &v1alpha1.TenantCluster{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "demo"}, got); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.TenantClusterSpec{
		Version: "v1.36.3",
		ControlPlane: v1alpha1.ControlPlane{
			Replicas: 1,
			Etcd:     v1alpha1.Etcd{Replicas: 1, Storage: resource.MustParse("2Gi")},
		},
		Network: v1alpha1.ClusterNetwork{
			PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", NodeCIDR: "10.200.0.0/24", CNI: v1alpha1.CNIBridge,
		},
		Exposure: v1alpha1.Exposure{Type: v1alpha1.ExposureNodePort},
		DNS:      v1alpha1.ClusterDNS{Domain: "cluster.local"},
		NodePools: []v1alpha1.ClusterNodePool{{
			Name:    "a",
			Machine: v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")},
		}},
	}
	if diff := cmp.Diff(want, got.Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("defaulted spec (-want +got):\n%s", diff)
	}
}

func testCreation(t *testing.T, c client.Client) {
	pool := func(fields string) string {
		return "spec: {version: v1.36.3, nodePools: [{name: a, " + fields + "}]}"
	}
	network := func(fields string) string { return "spec: {version: v1.36.3, network: {" + fields + "}}" }
	registry := func(fields string) string { return "spec: {version: v1.36.3, registries: [{" + fields + "}]}" }
	// wanted is part of the message; empty where the specification is good.
	for name, test := range map[string]struct{ object, text, wanted string }{
		"smallest":                      {text: smallest},
		"control plane alone":           {text: "spec: {version: v1.36.3}"},
		"partly given":                  {text: "spec: {version: v1.36.3, controlPlane: {etcd: {replicas: 3}}, network: {podCIDR: 10.8.0.0/16}}"},
		"longest name":                  {object: strings.Repeat("a", 40), text: smallest},
		"name too long":                 {object: strings.Repeat("a", 41), text: smallest, wanted: "at most 40 characters"},
		"name with a dot":               {object: "a.b", text: smallest, wanted: "must be a DNS label"},
		"name that begins with a digit": {object: "1a", text: smallest, wanted: "must be a DNS label"},

		"no version":         {text: "spec: {}", wanted: "spec.version: Required value"},
		"version of no form": {text: "spec: {version: latest}", wanted: "a version has the form v1.MINOR.PATCH"},
		"version not known":  {text: "spec: {version: v1.30.0}", wanted: "does not know that version; use v1.36.3"},
		"pool version":       {text: pool("version: v1.36.3")},
		"pool version newer": {text: pool("version: v1.37.0"), wanted: "does not know that version; use v1.36.3"},

		"no replicas":            {text: "spec: {version: v1.36.3, controlPlane: {replicas: 0}}", wanted: "should be greater than or equal to 1"},
		"too many replicas":      {text: "spec: {version: v1.36.3, controlPlane: {replicas: 6}}", wanted: "should be less than or equal to 5"},
		"even number of members": {text: "spec: {version: v1.36.3, controlPlane: {etcd: {replicas: 2}}}", wanted: "use 1, 3 or 5"},
		"too little for etcd":    {text: "spec: {version: v1.36.3, controlPlane: {etcd: {storage: 100Mi}}}", wanted: "etcd needs at least 512Mi of storage"},

		"equal ranges of others": {text: network("podCIDR: 10.0.0.0/16, serviceCIDR: 10.1.0.0/16, nodeCIDR: 10.2.0.0/24")},
		"no range":               {text: network("podCIDR: ten"), wanted: "not an IPv4 range; write it as ADDRESS/PREFIX"},
		"range of IPv6":          {text: network("podCIDR: 'fd00::/16'"), wanted: "not an IPv4 range; write it as ADDRESS/PREFIX"},
		"range with bits set":    {text: network("podCIDR: 10.8.1.1/16"), wanted: "write the first address of the range"},
		"pods and services":      {text: network("podCIDR: 10.96.0.0/12"), wanted: "podCIDR and serviceCIDR overlap"},
		"services within pods":   {text: network("podCIDR: 10.0.0.0/8, nodeCIDR: 192.168.0.0/24"), wanted: "podCIDR and serviceCIDR overlap"},
		"pods and nodes":         {text: network("nodeCIDR: 10.244.7.0/24"), wanted: "podCIDR and nodeCIDR overlap"},
		"services and nodes":     {text: network("nodeCIDR: 10.96.3.0/24"), wanted: "serviceCIDR and nodeCIDR overlap"},
		"few pod addresses":      {text: network("podCIDR: 10.244.0.0/23"), wanted: "podCIDR is too small"},
		"few service addresses":  {text: network("serviceCIDR: 10.96.0.0/25"), wanted: "serviceCIDR must be between /12 and /24"},
		"too many services":      {text: network("serviceCIDR: 172.0.0.0/8"), wanted: "serviceCIDR must be between /12 and /24"},
		"few node addresses":     {text: network("nodeCIDR: 10.200.0.0/27"), wanted: "nodeCIDR is too small"},
		"small MTU":              {text: network("mtu: 576"), wanted: "should be greater than or equal to 1280"},
		"unknown CNI":            {text: network("cni: calico"), wanted: `supported values: "bridge", "none"`},
		"unknown exposure":       {text: "spec: {version: v1.36.3, exposure: {type: Ingress}}", wanted: `supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
		"domain":                 {text: "spec: {version: v1.36.3, dns: {domain: Cluster.Local}}", wanted: "not a DNS domain"},

		"registry":                 {text: registry("host: docker.io, endpoint: 'https://mirror.example.com:5000', caSecretName: ca")},
		"registry with a scheme":   {text: registry("host: 'https://docker.io', endpoint: 'https://mirror'"), wanted: "without scheme or path"},
		"endpoint that is no URL":  {text: registry("host: docker.io, endpoint: mirror"), wanted: "endpoint must be a URL"},
		"endpoint of other scheme": {text: registry("host: docker.io, endpoint: 'ftp://mirror'"), wanted: "endpoint must be a URL"},

		"pool name":           {text: "spec: {version: v1.36.3, nodePools: [{name: A_b}]}", wanted: "a nodePool's name must be a DNS label"},
		"same pool twice":     {text: "spec: {version: v1.36.3, nodePools: [{name: a}, {name: a}]}", wanted: "Duplicate value"},
		"pool replicas":       {text: pool("replicas: -1"), wanted: "should be greater than or equal to 0"},
		"little memory":       {text: pool("machine: {memory: 512Mi}"), wanted: "a guest needs at least 1Gi of memory"},
		"memory of no form":   {text: pool("machine: {memory: much}"), wanted: "spec.nodePools[0].machine.memory"},
		"small disk":          {text: pool("machine: {disk: 1Gi}"), wanted: "a guest needs at least 4Gi of disk"},
		"label":               {text: pool("labels: {example.com/zone: a}")},
		"label of Kubernetes": {text: pool("labels: {node-role.kubernetes.io/worker: ''}"), wanted: "labels under kubernetes.io and k8s.io are Kubernetes' own"},
		"label value":         {text: pool("labels: {zone: 'a b'}"), wanted: "a label's value has letters, digits"},
		"taint":               {text: pool("taints: [{key: example.com/dedicated, value: a, effect: NoSchedule}]")},
		"taint key":           {text: pool("taints: [{key: 'a b', effect: NoSchedule}]"), wanted: "a taint's key is a label key"},
		"taint effect":        {text: pool("taints: [{key: a, effect: Never}]"), wanted: `supported values: "NoSchedule"`},
	} {
		t.Run(name, func(t *testing.T) {
			object := test.object
			if object == "" {
				object = "candidate"
			}
			wantMessage(t, c.Create(t.Context(), parse(t, object, test.text), client.DryRunAll), test.wanted)
		})
	}
}

func testChange(t *testing.T, c client.Client) {
	for name, test := range map[string]struct{ patch, wanted string }{
		"pods":                 {`{"spec":{"network":{"podCIDR":"10.8.0.0/16"}}}`, "podCIDR, serviceCIDR and nodeCIDR cannot change"},
		"services":             {`{"spec":{"network":{"serviceCIDR":"10.97.0.0/16"}}}`, "podCIDR, serviceCIDR and nodeCIDR cannot change"},
		"nodes":                {`{"spec":{"network":{"nodeCIDR":"10.201.0.0/24"}}}`, "podCIDR, serviceCIDR and nodeCIDR cannot change"},
		"cni":                  {`{"spec":{"network":{"cni":"none"}}}`, "network.cni cannot change"},
		"network left out":     {`{"spec":{"network":null}}`, ""},
		"etcd replicas":        {`{"spec":{"controlPlane":{"etcd":{"replicas":3}}}}`, "controlPlane.etcd.replicas cannot change"},
		"etcd storage":         {`{"spec":{"controlPlane":{"etcd":{"storage":"4Gi"}}}}`, "controlPlane.etcd.storage cannot change"},
		"equal etcd storage":   {`{"spec":{"controlPlane":{"etcd":{"storage":"2048Mi"}}}}`, ""},
		"etcd storage class":   {`{"spec":{"controlPlane":{"etcd":{"storageClassName":"fast"}}}}`, "controlPlane.etcd.storageClassName cannot change"},
		"domain":               {`{"spec":{"dns":{"domain":"example.com"}}}`, "dns.domain cannot change"},
		"scaled control plane": {`{"spec":{"controlPlane":{"replicas":3}}}`, ""},
		"scaled pool":          {`{"spec":{"nodePools":[{"name":"a","replicas":2}]}}`, ""},
		"exposure":             {`{"spec":{"exposure":{"type":"LoadBalancer"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, "demo", smallest)
			err := c.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(test.patch)), client.DryRunAll)
			wantMessage(t, err, test.wanted)
		})
	}
}

func wantMessage(t *testing.T, err error, wanted string) {
	t.Helper()
	switch {
	case wanted == "" && err != nil:
		t.Errorf("refused: %v", err)
	case wanted != "" && err == nil:
		t.Errorf("accepted, want %q", wanted)
	case wanted != "" && !strings.Contains(err.Error(), wanted):
		t.Errorf("refused with %q, want %q", err, wanted)
	}
}
