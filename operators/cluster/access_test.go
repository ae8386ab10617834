package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// TestTeamsAccess: whoever may view, edit or administer a namespace may do so
// with the TenantClusters in it, and has nothing to do with what Slipway makes.
// Kubernetes' own roles take ours in.
func TestTeamsAccess(t *testing.T) {
	p := newPolicies(t, "ClusterRole")
	p.runAggregation(t)
	for _, role := range []string{"view", "edit", "admin"} {
		p.create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
		})
	}
	for _, user := range []string{"edit", "admin"} {
		p.await(t, user+" may create TenantClusters", func() bool { return p.allowed(t, user, "team", "create", "tenantclusters") })
	}
	p.await(t, "view may read TenantClusters", func() bool { return p.allowed(t, "view", "team", "list", "tenantclusters") })
	for _, user := range []string{"view", "edit", "admin"} {
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
			read := verb == "get" || verb == "list" || verb == "watch"
			if got, want := p.allowed(t, user, "team", verb, "tenantclusters"), read || user != "view"; got != want {
				t.Errorf("%s may %s tenantclusters: %t, want %t", user, verb, got, want)
			}
			if p.allowed(t, user, "other", verb, "tenantclusters") {
				t.Errorf("%s may %s tenantclusters of another namespace", user, verb)
			}
			for _, resource := range []string{"tenantpkis", "tenantnetworks", "tenantdnses", "nodepools", "machines", "networkports"} {
				if p.allowed(t, user, "team", verb, resource) {
					t.Errorf("%s may %s %s", user, verb, resource)
				}
			}
		}
		for _, verb := range []string{"update", "patch"} {
			if p.allowed(t, user, "team", verb, "tenantclusters/status") {
				t.Errorf("%s may %s tenantclusters/status", user, verb)
			}
		}
	}
}

func (p *policies) await(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return wanted(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (p *policies) allowed(t *testing.T, user, namespace, verb, resource string) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: v1alpha1.GroupVersion.Group, Resource: resource, Subresource: subresource,
		},
	}}
	if err := p.user(t, user).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// runAggregation runs the controller that puts roles into others.
func (p *policies) runAggregation(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	file := clientcmdapi.NewConfig()
	file.Clusters["test"] = &clientcmdapi.Cluster{Server: p.config.Host, CertificateAuthorityData: p.config.CAData}
	file.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: p.config.CertData, ClientKeyData: p.config.KeyData}
	file.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	file.CurrentContext = "test"
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := clientcmd.WriteToFile(*file, kubeconfig); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(testenv.Binary(t, "kube-controller-manager"), "--kubeconfig="+kubeconfig,
		"--controllers=clusterrole-aggregation-controller", "--leader-elect=false", "--secure-port=0")
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatalf("start kube-controller-manager (make components builds it): %v", err)
	}
	t.Cleanup(func() {
		if err := command.Process.Kill(); err != nil {
			t.Errorf("end kube-controller-manager: %v", err)
		}
		_ = command.Wait() // it reports the signal as an error
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("kube-controller-manager:\n%s", text[max(0, len(text)-4000):])
		}
	})
}
