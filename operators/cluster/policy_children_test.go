package main

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

const machineSpec = `{version: v1.36.3, networkName: demo, machine: {}, cluster: {apiServer: "https://10.200.0.10:6443",
  dnsAddress: 10.96.0.10, dnsDomain: cluster.local, podCIDR: 10.244.0.0/16, cni: bridge}}`

// children are one object of each kind that Slipway makes for itself.
var children = map[string]string{
	"TenantPKI":        `{metadata: {name: demo}, spec: {apiServer: {}, etcd: {}}}`,
	"TenantNetwork":    `{metadata: {name: demo}, spec: {nodeCIDR: 10.200.0.0/24, podCIDR: 10.244.0.0/16, serviceCIDR: 10.96.0.0/16}}`,
	"TenantDNS":        `{metadata: {name: demo}, spec: {tenantName: demo, tenantNamespace: team}}`,
	"NodePool":         `{metadata: {name: demo}, spec: {template: ` + machineSpec + `}}`,
	"Machine":          `{metadata: {name: demo}, spec: ` + machineSpec + `}`,
	"NetworkPort":      `{metadata: {name: demo}, spec: {networkName: demo}}`,
	"VirtualNetworkID": `{metadata: {name: "17"}, spec: {networkRef: {namespace: hosted, name: demo, uid: "1"}}}`,
	"HostNetwork":      `{metadata: {name: node-1}, spec: {vtep: 192.0.2.1, mtu: 1500}}`,
}

// TestChildObjectsPolicy: what Slipway makes for a tenant is its own, whatever
// RBAC allows.
func TestChildObjectsPolicy(t *testing.T) {
	p := newPolicies(t, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
	p.grantEverything(t)
	p.awaitEnforced(t, func() error {
		return p.user(t, "mallory").Create(t.Context(), child(t, "TenantDNS", p.hosted, children["TenantDNS"]), client.DryRunAll)
	})
	for kind, text := range children {
		t.Run(kind, func(t *testing.T) { p.testChild(t, kind, text) })
	}
	t.Run("scale", p.testScale)
	t.Run("namespaces", p.testNamespaces)
	t.Run("administrators", p.testAdministrators)
	t.Run("names", p.testNames)
}

func (p *policies) testChild(t *testing.T, kind, text string) {
	const refusal = "are written by Slipway alone; change the TenantCluster instead"
	mallory, operator := p.user(t, "mallory"), p.user(t, serviceAccount("cluster-operator"))
	wantMessage(t, mallory.Create(t.Context(), child(t, kind, p.hosted, text)), refusal)
	for _, impostor := range []string{"system:serviceaccount:team:cluster-operator", "system:serviceaccount:kube-system:default"} {
		wantMessage(t, p.user(t, impostor).Create(t.Context(), child(t, kind, p.hosted, text)), refusal)
	}
	if kind == "HostNetwork" {
		operator = p.admin // an agent's; tested there
	}
	object := child(t, kind, p.hosted, text)
	wantMessage(t, operator.Create(t.Context(), object), "")

	patch := func(c client.Client, what string) error {
		return c.Patch(t.Context(), object.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(what)))
	}
	const labels, finalizers = `{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"finalizers":["slipway.dev/test"]}}`
	wantMessage(t, patch(mallory, labels), refusal)
	wantMessage(t, patch(operator, finalizers), "")
	if kind != "VirtualNetworkID" { // which has no status
		wantMessage(t, mallory.Status().Patch(t.Context(), object.DeepCopy(),
			client.RawPatch("application/merge-patch+json", []byte(`{"status":{"conditions":[]}}`))), refusal)
	}

	collector := p.user(t, "system:serviceaccount:kube-system:namespace-controller")
	if kind == "Machine" {
		wantMessage(t, mallory.Delete(t.Context(), object.DeepCopy()), "") // which has the worker replaced
	} else {
		wantMessage(t, mallory.Delete(t.Context(), object.DeepCopy()), refusal)
		wantMessage(t, collector.Delete(t.Context(), object.DeepCopy()), "")
	}
	wantMessage(t, patch(mallory, `{"metadata":{"finalizers":[]}}`), refusal)
	wantMessage(t, patch(p.user(t, "system:serviceaccount:kube-system:generic-garbage-collector"), `{"metadata":{"finalizers":[]}}`), "")
}

// testScale: replicas are for whoever may scale, and nothing else of a NodePool.
func (p *policies) testScale(t *testing.T) {
	pool := child(t, "NodePool", p.hosted, children["NodePool"])
	if err := p.user(t, serviceAccount("cluster-operator")).Create(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	team := p.user(t, "team")
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}
	wantMessage(t, team.SubResource("scale").Update(t.Context(), pool.DeepCopy(), client.WithSubResourceBody(scale)), "")
	scaled := &v1alpha1.NodePool{}
	if err := p.admin.Get(t.Context(), client.ObjectKeyFromObject(pool), scaled); err != nil {
		t.Fatal(err)
	}
	if *scaled.Spec.Replicas != 3 {
		t.Errorf("%d replicas, want 3", *scaled.Spec.Replicas)
	}
	wantMessage(t, team.Patch(t.Context(), pool.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":4}}`))),
		"nodepools are written by Slipway alone; change the TenantCluster instead, or use kubectl scale")
}

// testNamespaces: nobody makes child objects where there is no tenant.
func (p *policies) testNamespaces(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"no-tenant":        nil,
		"says-so":          {v1alpha1.LabelTenant: "says-so"},
		"another":          {v1alpha1.LabelTenant: p.hosted, v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: "team"},
		"tenant-demo-1234": {v1alpha1.LabelTenant: "tenant-demo-1234", v1alpha1.LabelTenantName: "other"},
	} {
		p.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
		for _, writer := range []client.Client{p.admin, p.user(t, serviceAccount("cluster-operator"))} {
			wantMessage(t, writer.Create(t.Context(), child(t, "TenantDNS", name, children["TenantDNS"])),
				"tenantdnses belong into the hosted namespace of a TenantCluster, and Namespace "+name+" is none; create a TenantCluster instead")
		}
	}
}

// testAdministrators: whoever may do everything in the cluster may repair.
func (p *policies) testAdministrators(t *testing.T) {
	p.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "platform"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "platform"}},
	})
	for name, c := range map[string]client.Client{"masters": p.admin, "platform": p.user(t, "alice", "platform")} {
		object := child(t, "TenantDNS", p.hosted, children["TenantDNS"])
		object.SetName(name)
		wantMessage(t, c.Create(t.Context(), object), "")
		wantMessage(t, c.Delete(t.Context(), object), "")
	}
}

// testNames: nobody publishes names of tenants past the dns-operator.
func (p *policies) testNames(t *testing.T) {
	const refusal = "names below k8s.example.com are those of tenants and are made by Slipway alone; use another domain"
	endpoint := func(name, dnsName string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint",
			"metadata": map[string]any{"namespace": "team", "name": name},
			"spec":     map[string]any{"endpoints": []any{map[string]any{"dnsName": dnsName}}},
		}}
		return object
	}
	mallory := p.user(t, "mallory")
	for _, name := range []string{"api.demo.default.k8s.example.com", "API.demo.default.K8s.example.com.", "k8s.example.com", "*.k8s.example.com"} {
		wantMessage(t, mallory.Create(t.Context(), endpoint("forged", name)), refusal)
	}
	for _, name := range []string{"shop.example.com", "other-k8s.example.com"} {
		wantMessage(t, mallory.Create(t.Context(), endpoint("own", name)), "")
		wantMessage(t, mallory.Delete(t.Context(), endpoint("own", name)), "")
	}
	const apiName = "api.demo.team.k8s.example.com"
	wantMessage(t, p.user(t, serviceAccount("dns-operator")).Create(t.Context(), endpoint("demo", apiName)), "")
	patch := func(what string) error {
		return mallory.Patch(t.Context(), endpoint("demo", apiName), client.RawPatch("application/merge-patch+json", []byte(what)))
	}
	wantMessage(t, patch(`{"metadata":{"finalizers":["example.com/test"]}}`), "")
	wantMessage(t, patch(`{"metadata":{"finalizers":[]}}`), "")
	wantMessage(t, patch(`{"spec":{"endpoints":[{"dnsName":"`+apiName+`","targets":["6.6.6.6"]}]}}`), refusal)
	wantMessage(t, p.admin.Delete(t.Context(), endpoint("demo", apiName)), "")
}
