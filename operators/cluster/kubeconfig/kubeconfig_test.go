package kubeconfig_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"slipway.dev/operators/cluster/kubeconfig"
)

// Users merge what they get into one file, as KUBECONFIG=a:b does. Each context
// leads to its own cluster with its own credentials, also where names are equal.
func TestKubeconfigsCanBeMerged(t *testing.T) {
	rules := clientcmd.ClientConfigLoadingRules{}
	tenants := []types.NamespacedName{
		{Namespace: "team-a", Name: "demo"}, {Namespace: "team-b", Name: "demo"}, {Namespace: "team-b", Name: "other"},
	}
	for _, tenant := range tenants {
		encoded, err := kubeconfig.Encode(tenant, "https://"+tenant.String(), kubeconfig.User{Name: "kubernetes-admin", Key: []byte(tenant.String())})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := os.WriteFile(path, encoded, 0o600); err != nil {
			t.Fatal(err)
		}
		rules.Precedence = append(rules.Precedence, path)
	}
	merged, err := rules.Load()
	if err != nil {
		t.Fatal(err)
	}
	if want := "kubernetes-admin@demo.team-a"; merged.CurrentContext != want {
		t.Errorf("current context %s, want %s", merged.CurrentContext, want)
	}
	for _, tenant := range tenants {
		name := "kubernetes-admin@" + tenant.Name + "." + tenant.Namespace
		context := merged.Contexts[name]
		if context == nil {
			t.Errorf("no context %s", name)
			continue
		}
		if server := merged.Clusters[context.Cluster].Server; server != "https://"+tenant.String() {
			t.Errorf("context %s leads to %s", name, server)
		}
		if key := string(merged.AuthInfos[context.AuthInfo].ClientKeyData); key != tenant.String() {
			t.Errorf("context %s has the key of %s", name, key)
		}
	}
}
