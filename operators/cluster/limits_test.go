package main

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// chartLimits are narrower than the chart's own where these allow everything.
var chartLimits = []string{
	"global.limits.nodePools=4",
	"global.limits.exposureTypes={ClusterIP,NodePort}",
	"global.limits.storageClasses={fast,slow}",
	"global.limits.managementRanges.pods={172.31.0.0/16}",
	"global.limits.managementRanges.services={172.29.0.0/16}",
	"global.limits.managementRanges.nodes={172.30.0.0/24}",
}

// grown has more of everything than chartLimits allow.
const grown = `spec: {version: v1.36.3, exposure: {type: LoadBalancer},
  controlPlane: {resources: {limits: {memory: 64Gi}}, etcd: {storage: 100Gi, storageClassName: other}},
  network: {podCIDR: 172.31.0.0/16},
  nodePools: [{name: a, replicas: 80, machine: {cores: 64, memory: 256Gi, disk: 1Ti}}, {name: b}, {name: c}, {name: d}, {name: e}]}`

// TestLimits has a real API server enforce the policies that Helm renders.
func TestLimits(t *testing.T) {
	c := newAPI(t)
	before := parse(t, "grown", grown)
	before.SetFinalizers([]string{"slipway.dev/test"})
	for _, object := range []client.Object{before, nodePool("grown", 80), nodePool("small", 1)} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	enforceLimits(t, c, chartLimits, parse(t, "canary", grown), toUnstructured(t, nodePool("canary", 80)))
	t.Run("creation", func(t *testing.T) { testLimitsOfCreation(t, c) })
	t.Run("change", func(t *testing.T) { testLimitsOfChange(t, c) })
	t.Run("scale", func(t *testing.T) { testLimitsOfScale(t, c) })
	t.Run("deletion", func(t *testing.T) { testDeletionBeyondLimits(t, c) })
	t.Run("generated", func(t *testing.T) { testGenerated(t, c) })
	t.Run("quota", func(t *testing.T) { testQuota(t, c) })
}

func testLimitsOfCreation(t *testing.T, c client.Client) {
	pool := func(fields string) string {
		return "spec: {version: v1.36.3, nodePools: [{name: a, " + fields + "}]}"
	}
	resources := func(fields string) string {
		return "spec: {version: v1.36.3, controlPlane: {resources: {" + fields + "}}}"
	}
	etcd := func(fields string) string {
		return "spec: {version: v1.36.3, controlPlane: {etcd: {" + fields + "}}}"
	}
	network := func(fields string) string { return "spec: {version: v1.36.3, network: {" + fields + "}}" }
	for name, test := range map[string]struct{ text, wanted string }{
		"smallest":               {smallest, ""},
		"control plane alone":    {"spec: {version: v1.36.3}", ""},
		"all that is allowed":    {pool("replicas: 50, machine: {cores: 16, memory: 64Gi, disk: 200Gi}"), ""},
		"replicas":               {pool("replicas: 51"), "nodePool a asks for 51 replicas, and a pool can have at most 50 here; use 50 or less"},
		"cores":                  {pool("machine: {cores: 17}"), "nodePool a asks for 17 cores, and a machine can have at most 16 here; use 16 or less"},
		"memory":                 {pool("machine: {memory: 65Gi}"), "nodePool a asks for memory of 65Gi, and a machine can have at most 64Gi here; use 64Gi or less"},
		"disk":                   {pool("machine: {disk: 1Ti}"), "nodePool a asks for disk of 1Ti, and a machine can have at most 200Gi here; use 200Gi or less"},
		"pools":                  {"spec: {version: v1.36.3, nodePools: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}]}", "nodePools asks for 5 pools, and a TenantCluster can have at most 4 here; use fewer"},
		"most of API servers":    {resources("requests: {cpu: 4, memory: 16Gi}, limits: {cpu: 4000m, memory: 16384Mi}"), ""},
		"requested cpu":          {resources("requests: {cpu: 4001m}"), "controlPlane.resources.requests asks for cpu of 4001m, and an API server can have at most 4 here; use 4 or less"},
		"limit of memory":        {resources("limits: {memory: 17Gi}"), "controlPlane.resources.limits asks for memory of 17Gi, and an API server can have at most 16Gi here; use 16Gi or less"},
		"most of etcd":           {etcd("storage: 32Gi, storageClassName: slow"), ""},
		"etcd storage":           {etcd("storage: 33Gi"), "controlPlane.etcd.storage asks for 33Gi, and a member of etcd can have at most 32Gi here; use 32Gi or less"},
		"storage as a number":    {etcd("storage: 34359738369"), "controlPlane.etcd.storage asks for 34359738369, and a member of etcd can have at most 32Gi here"},
		"storage class":          {etcd("storageClassName: other"), "storageClassName asks for other, which is not allowed here; use fast or slow, or leave it out"},
		"exposure":               {"spec: {version: v1.36.3, exposure: {type: LoadBalancer}}", "exposure.type asks for LoadBalancer, which is not allowed here; use ClusterIP or NodePort"},
		"pods as management's":   {network("podCIDR: 172.31.0.0/16"), "network.podCIDR 172.31.0.0/16 meets 172.31.0.0/16, the range of the pods of the management cluster; use another private range"},
		"services within":        {network("serviceCIDR: 172.29.4.0/24"), "network.serviceCIDR 172.29.4.0/24 meets 172.29.0.0/16, the range of the services of the management cluster"},
		"nodes around":           {network("nodeCIDR: 172.30.0.0/16"), "network.nodeCIDR 172.30.0.0/16 meets 172.30.0.0/24, the range of the nodes of the management cluster"},
		"pods around everything": {network("podCIDR: 172.16.0.0/12"), "network.podCIDR 172.16.0.0/12 meets 172.30.0.0/24"},
		"services as the nodes":  {network("serviceCIDR: 172.30.0.0/20"), "network.serviceCIDR 172.30.0.0/20 meets 172.30.0.0/24"},
		"links of gateways":      {network("podCIDR: 100.64.0.0/16"), "network.podCIDR 100.64.0.0/16 meets 100.64.0.0/10, the range of links between gateways and management nodes"},
		"beside management":      {network("podCIDR: 172.28.0.0/16, nodeCIDR: 172.30.1.0/24"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantMessage(t, c.Create(t.Context(), parse(t, "candidate", test.text), client.DryRunAll), test.wanted)
		})
	}
}

// A limit that was lowered later does not lock a tenant up: it keeps what it
// has and may reduce it, and no more.
func testLimitsOfChange(t *testing.T, c client.Client) {
	pools := func(first string) string {
		return `{"spec":{"nodePools":[` + first + `,{"name":"b"},{"name":"c"},{"name":"d"},{"name":"e"}]}}`
	}
	machine := `"machine":{"cores":64,"memory":"256Gi","disk":"1Ti"}`
	for name, test := range map[string]struct{ patch, wanted string }{
		"labels of the object":  {`{"metadata":{"labels":{"a":"b"}}}`, ""},
		"something else":        {`{"spec":{"controlPlane":{"replicas":3}}}`, ""},
		"fewer replicas":        {pools(`{"name":"a","replicas":70,` + machine + `}`), ""},
		"more replicas":         {pools(`{"name":"a","replicas":81,` + machine + `}`), "asks for 81 replicas"},
		"a smaller machine":     {pools(`{"name":"a","replicas":80,"machine":{"cores":32,"memory":"128Gi","disk":"500Gi"}}`), ""},
		"more cores":            {pools(`{"name":"a","machine":{"cores":65,"memory":"256Gi","disk":"1Ti"}}`), "asks for 65 cores"},
		"more memory":           {pools(`{"name":"a","machine":{"cores":64,"memory":"257Gi","disk":"1Ti"}}`), "asks for memory of 257Gi"},
		"more disk":             {pools(`{"name":"a","machine":{"cores":64,"memory":"256Gi","disk":"2Ti"}}`), "asks for disk of 2Ti"},
		"the same in another":   {pools(`{"name":"z","replicas":80}`), "nodePool z asks for 80 replicas"},
		"one pool less":         {`{"spec":{"nodePools":[{"name":"b"},{"name":"c"},{"name":"d"},{"name":"e"},{"name":"f"}]}}`, ""},
		"one pool more":         {`{"spec":{"nodePools":[{"name":"b"},{"name":"c"},{"name":"d"},{"name":"e"},{"name":"f"},{"name":"g"}]}}`, "nodePools asks for 6 pools"},
		"less for API servers":  {`{"spec":{"controlPlane":{"resources":{"limits":{"memory":"32Gi"}}}}}`, ""},
		"more for API servers":  {`{"spec":{"controlPlane":{"resources":{"limits":{"memory":"65Gi"}}}}}`, "limits asks for memory of 65Gi"},
		"requests of them":      {`{"spec":{"controlPlane":{"resources":{"requests":{"memory":"32Gi"}}}}}`, "requests asks for memory of 32Gi"},
		"an allowed exposure":   {`{"spec":{"exposure":{"type":"NodePort"}}}`, ""},
		"names in certificates": {`{"spec":{"exposure":{"certSANs":["api.example.com"]}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Patch(t.Context(), parse(t, "grown", grown), client.RawPatch("application/merge-patch+json", []byte(test.patch)), client.DryRunAll)
			wantMessage(t, err, test.wanted)
		})
	}
}

func testLimitsOfScale(t *testing.T, c client.Client) {
	const refusal = "workers, and a NodePool can have at most 50 here; use 50 or less"
	wantMessage(t, c.Create(t.Context(), nodePool("candidate", 50), client.DryRunAll), "")
	wantMessage(t, c.Create(t.Context(), nodePool("candidate", 51), client.DryRunAll), "spec.replicas asks for 51 "+refusal)
	for name, test := range map[string]struct{ pool, patch, wanted string }{
		"up to the limit":      {"small", `{"spec":{"replicas":50}}`, ""},
		"beyond the limit":     {"small", `{"spec":{"replicas":51}}`, "spec.replicas asks for 51 " + refusal},
		"to nothing":           {"small", `{"spec":{"replicas":0}}`, ""},
		"down, still above it": {"grown", `{"spec":{"replicas":70}}`, ""},
		"further up":           {"grown", `{"spec":{"replicas":81}}`, "spec.replicas asks for 81 " + refusal},
	} {
		t.Run(name, func(t *testing.T) {
			scale := client.WithSubResourceBody(&autoscalingv1.Scale{})
			patch := client.RawPatch("application/merge-patch+json", []byte(test.patch))
			wantMessage(t, c.Patch(t.Context(), nodePool(test.pool, 0), patch, client.DryRunAll), test.wanted)
			wantMessage(t, c.SubResource("scale").Patch(t.Context(), nodePool(test.pool, 0), patch, client.DryRunAll, scale), test.wanted)
		})
	}
}

// Nothing that is in force keeps a tenant from going: its finalizer can be removed.
func testDeletionBeyondLimits(t *testing.T, c client.Client) {
	object := parse(t, "grown", grown)
	if err := c.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := c.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
		t.Errorf("not deleted: %v", err)
	}
}

// testQuota is what the chart's README says of the number of a team's clusters.
func testQuota(t *testing.T, c client.Client) {
	const team = "team-with-quota"
	const clusters = corev1.ResourceName("count/tenantclusters.slipway.dev")
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "tenants"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{clusters: resource.MustParse("1")}},
	}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}}, quota} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	cluster := parse(t, "first", smallest)
	cluster.SetNamespace(team)
	if err := c.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	// The controller manager, which counts what is there, does not run here.
	quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, quota.Spec.Hard
	if err := c.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	another := parse(t, "another", smallest)
	another.SetNamespace(team)
	wantMessage(t, awaitRefusal(t, c, another), "exceeded quota: tenants")
}

func nodePool(name string, replicas int32) *v1alpha1.NodePool {
	return &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
		Spec: v1alpha1.NodePoolSpec{Replicas: new(replicas), Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo",
			Machine: v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")},
			Cluster: v1alpha1.MachineCluster{
				APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local",
				PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge,
			},
		}},
	}
}

func toUnstructured(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	result := &unstructured.Unstructured{Object: fields}
	result.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePool"))
	return result
}
