package desired_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/observed"
)

func TestUserKubeconfig(t *testing.T) {
	const name, url = "demo-kubeconfig", "https://192.0.2.1:30001"
	admin := map[string]*corev1.Secret{v1alpha1.SecretAdmin: {Data: map[string][]byte{"tls.crt": []byte("c"), "tls.key": []byte("k"), "ca.crt": []byte("ca")}}}
	own := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{UID: "uid", Controller: new(true)}}}}
	type result struct{ kubeconfig, endpoint, conflict, waits string }
	for what, test := range map[string]struct {
		change func(*observed.Tenant)
		want   result
	}{
		"written": {func(*observed.Tenant) {}, result{kubeconfig: name, endpoint: url}},
		"a foreign Secret": {
			func(seen *observed.Tenant) { seen.UserKubeconfig = &metav1.PartialObjectMetadata{} },
			result{endpoint: url, conflict: "Secret demo-kubeconfig exists and belongs to something else; delete or rename it"},
		},
		"no address": {
			func(seen *observed.Tenant) { seen.Services[1].Spec.Ports[0].NodePort = 0 },
			result{waits: "Service kube-apiserver: no address from outside yet"},
		},
		"no key pair": {
			func(seen *observed.Tenant) { seen.KeyPairs = nil },
			result{endpoint: url, waits: "Secret admin is not there yet"},
		},
		"a key pair that was deleted": {
			func(seen *observed.Tenant) { seen.KeyPairs, seen.UserKubeconfig = nil, own },
			result{kubeconfig: name, endpoint: url, waits: "Secret admin is not there yet"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			seen := tenant()
			withPKI(seen)
			seen.KeyPairs = admin
			test.change(seen)
			got := state(t, seen)
			if got := (result{got.Kubeconfig, got.Endpoint, got.Conflict, got.KubeconfigWaits}); got != test.want {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
		})
	}
}
