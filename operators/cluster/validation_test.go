package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// TestTenantClusterValidation submits specifications to a real API server: the
// rules are in the CRD, and nothing else checks them.
func TestTenantClusterValidation(t *testing.T) {
	c := newAPI(t)
	t.Run("defaults", func(t *testing.T) { testDefaults(t, c) })
	t.Run("creation", func(t *testing.T) { testCreation(t, c) })
	t.Run("change", func(t *testing.T) { testChange(t, c) })
	t.Run("change of MTU", func(t *testing.T) { testChangeOfMTU(t, c) })
}

// newAPI is a client of a real API server with Slipway's CRDs and a team's
// namespace. Like kubectl it has the server refuse fields that it does not know.
func newAPI(t *testing.T) client.Client {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := testenv.Start(t, testenv.SlipwayCRDs(2))
	config.QPS = -1
	scheme := testenv.Scheme(t, corev1.AddToScheme, autoscalingv1.AddToScheme, v1alpha1.AddToScheme)
	c := client.WithFieldValidation(testenv.Client(t, config, scheme), metav1.FieldValidationStrict)
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}); err != nil {
		t.Fatal(err)
	}
	return c
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
	// wanted is part of the message; empty where the specification is good. unwanted is not.
	for name, test := range map[string]struct{ object, text, wanted, unwanted string }{
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
		"too little for etcd":    {text: "spec: {version: v1.36.3, controlPlane: {etcd: {storage: 100Mi}}}", wanted: "etcd needs at least 512Mi of storage; use for example 2Gi"},
		"too much for etcd":      {text: "spec: {version: v1.36.3, controlPlane: {etcd: {storage: 1Ei}}}", wanted: "in whole bytes and at most 1Ti; use for example 2Gi"},
		"part of a byte":         {text: pool("machine: {memory: 2147483648500m}"), wanted: "a guest's memory is in whole bytes"},
		"fraction of a unit":     {text: pool("machine: {memory: 2.5Gi}")},
		"no such storage class":  {text: "spec: {version: v1.36.3, controlPlane: {etcd: {storageClassName: Fast_1}}}", wanted: "no StorageClass can have that name"},
		"memory of API servers":  {text: "spec: {version: v1.36.3, controlPlane: {resources: {limits: {memory: 1Mi}}}}", wanted: "a limit of memory is in whole bytes, at least 256Mi"},
		"no amount of memory":    {text: "spec: {version: v1.36.3, controlPlane: {resources: {limits: {memory: 1GB}}}}", wanted: "not a quantity of bytes; write a number with Mi, Gi or Ti"},
		"request above limit":    {text: "spec: {version: v1.36.3, controlPlane: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}}", wanted: "the cpu that an API server requests is above its limit"},
		"other resources":        {text: "spec: {version: v1.36.3, controlPlane: {resources: {requests: {nvidia.com/gpu: 1}}}}", wanted: `unknown field "spec.controlPlane.resources.requests.nvidia.com/gpu"`},

		"equal ranges of others": {text: network("podCIDR: 10.0.0.0/16, serviceCIDR: 10.1.0.0/16, nodeCIDR: 10.2.0.0/24")},
		"no range":               {text: network("podCIDR: ten"), wanted: "not an IPv4 range; write it as ADDRESS/PREFIX"},
		"range of IPv6":          {text: network("podCIDR: 'fd00::/16'"), wanted: "not an IPv4 range; write it as ADDRESS/PREFIX"},
		"smaller range of IPv6":  {text: network("podCIDR: 'fd00::/64'"), wanted: "not an IPv4 range; write it as ADDRESS/PREFIX", unwanted: "too small"},
		"loopback":               {text: network("podCIDR: 127.0.0.0/16"), wanted: "podCIDR meets a range that no network can have"},
		"multicast":              {text: network("serviceCIDR: 224.0.0.0/16"), wanted: "serviceCIDR meets a range that no network can have"},
		"link-local":             {text: network("nodeCIDR: 169.254.1.0/24"), wanted: "nodeCIDR meets a range that no network can have"},
		"everything":             {text: network("podCIDR: 0.0.0.0/0"), wanted: "use /8 or smaller"},
		"more than nodes":        {text: "spec: {version: v1.36.3, network: {nodeCIDR: 10.200.0.0/26}, nodePools: [{name: a, replicas: 47}]}", wanted: "more workers than nodeCIDR has addresses for"},
		"as many as nodes":       {text: "spec: {version: v1.36.3, network: {nodeCIDR: 10.200.0.0/26}, nodePools: [{name: a, replicas: 46}]}"},
		"more than pod ranges":   {text: "spec: {version: v1.36.3, network: {podCIDR: 10.244.0.0/22}, nodePools: [{name: a, replicas: 3}, {name: b}]}", wanted: "more workers than podCIDR has ranges for"},
		"as many as pod ranges":  {text: "spec: {version: v1.36.3, network: {podCIDR: 10.244.0.0/22}, nodePools: [{name: a, replicas: 2}, {name: b}]}"},
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
		"label of a domain":      {text: "spec: {version: v1.36.3, dns: {domain: " + strings.Repeat("a", 64) + ".local}}", wanted: "a label of a DNS domain has at most 63 characters"},
		"URL in a certificate":   {text: "spec: {version: v1.36.3, exposure: {certSANs: ['https://api.example.com']}}", wanted: "not a DNS name or IP address; use the bare lower-case name"},
		"range in a certificate": {text: "spec: {version: v1.36.3, exposure: {certSANs: [10.0.0.0/24]}}", wanted: "not a DNS name or IP address"},
		"names in a certificate": {text: "spec: {version: v1.36.3, exposure: {certSANs: [api.example.com, '*.example.com', 192.0.2.1, '2001:db8::1']}}"},

		"registry":                 {text: registry("host: docker.io, endpoint: 'https://mirror.example.com:5000', caSecretName: ca")},
		"registry with a scheme":   {text: registry("host: 'https://docker.io', endpoint: 'https://mirror'"), wanted: "without scheme or path"},
		"endpoint that is no URL":  {text: registry("host: docker.io, endpoint: mirror"), wanted: "endpoint must be a URL"},
		"endpoint of other scheme": {text: registry("host: docker.io, endpoint: 'ftp://mirror'"), wanted: "endpoint must be a URL"},

		"credentials in endpoint":  {text: registry("host: docker.io, endpoint: 'https://user:pass@mirror'"), wanted: "use credentialsSecretName"},
		"query in endpoint":        {text: registry("host: docker.io, endpoint: 'https://mirror?ns=a'"), wanted: "neither query nor fragment"},
		"port of endpoint":         {text: registry("host: docker.io, endpoint: 'https://mirror:99999'"), wanted: "the port of endpoint is no port; use a number from 1 to 65535"},
		"port of host":             {text: registry("host: 'docker.io:0', endpoint: 'https://mirror'"), wanted: "the port of host is no port; use a number from 1 to 65535"},
		"name of a Secret":         {text: registry("host: docker.io, endpoint: 'https://mirror', caSecretName: My_CA"), wanted: "no Secret can have that name"},
		"longest name of a Secret": {text: registry("host: docker.io, endpoint: 'https://mirror', caSecretName: " + strings.Repeat("a", 253))},
		"CA of plain HTTP":         {text: registry("host: docker.io, endpoint: 'http://mirror', caSecretName: ca"), wanted: "use an https endpoint"},

		"pool name":           {text: "spec: {version: v1.36.3, nodePools: [{name: A_b}]}", wanted: "a nodePool's name must be a DNS label"},
		"same pool twice":     {text: "spec: {version: v1.36.3, nodePools: [{name: a}, {name: a}]}", wanted: "Duplicate value"},
		"pool replicas":       {text: pool("replicas: -1"), wanted: "should be greater than or equal to 0"},
		"little memory":       {text: pool("machine: {memory: 512Mi}"), wanted: "a guest needs at least 1Gi of memory"},
		"memory of no form":   {text: pool("machine: {memory: much}"), wanted: "not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 8Gi"},
		"disk in GB":          {text: pool("machine: {disk: 100GB}"), wanted: "not a quantity of bytes; write a number with Mi, Gi or Ti and nothing in between, for example 100Gi"},
		"small disk":          {text: pool("machine: {disk: 1Gi}"), wanted: "a guest needs at least 4Gi of disk"},
		"label":               {text: pool("labels: {example.com/zone: a}")},
		"label of Kubernetes": {text: pool("labels: {node-role.kubernetes.io/worker: ''}"), wanted: "labels under kubernetes.io and k8s.io are Kubernetes' own"},
		"flag in a label":     {text: pool("labels: {'a --root-dir=/x': b}"), wanted: "not the key of a label"},
		"two labels in one":   {text: pool("labels: {'a,b=c': d}"), wanted: "not the key of a label"},
		"label of Slipway":    {text: pool("labels: {slipway.dev/pool: b}"), wanted: "labels under slipway.dev are set by Slipway"},
		"label value":         {text: pool("labels: {zone: 'a b'}"), wanted: "a label's value has letters, digits"},
		"taint":               {text: pool("taints: [{key: example.com/dedicated, value: a, effect: NoSchedule}]")},
		"taint key":           {text: pool("taints: [{key: 'a b', effect: NoSchedule}]"), wanted: "a taint's key is a label key"},
		"taint twice":         {text: pool("taints: [{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}]"), wanted: "two taints have the same key and effect"},
		"taint of Kubernetes": {text: pool("taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule}]"), wanted: "set and removed by Kubernetes itself"},
		"taint effect":        {text: pool("taints: [{key: a, effect: Never}]"), wanted: `supported values: "NoSchedule"`},
	} {
		t.Run(name, func(t *testing.T) {
			object := test.object
			if object == "" {
				object = "candidate"
			}
			err := c.Create(t.Context(), parse(t, object, test.text), client.DryRunAll)
			wantMessage(t, err, test.wanted)
			if test.unwanted != "" && strings.Contains(fmt.Sprint(err), test.unwanted) {
				t.Errorf("refused with %q, which is beside the point", err)
			}
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
		"mtu set":              {`{"spec":{"network":{"mtu":1400}}}`, "network.mtu cannot be set, changed or taken away"},
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

// A guest has the MTU that it was made with: it can be neither set later nor taken away.
func testChangeOfMTU(t *testing.T, c client.Client) {
	object := parse(t, "mtu", "spec: {version: v1.36.3, network: {mtu: 1400}}")
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{`{"mtu":1300}`, `{"mtu":null}`, "null"} {
		err := c.Patch(t.Context(), object.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"network":`+network+`}}`)), client.DryRunAll)
		wantMessage(t, err, "network.mtu cannot be set, changed or taken away")
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
