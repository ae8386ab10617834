package desired_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/desired"
)

// exposed is what follows from how the API is exposed.
type exposed struct {
	Targets   []string // of DNS records
	Names     []string // in the API server's certificate, beside those that are always there
	Addresses []string // likewise
	Endpoint  string
	// Waits is what the kubeconfig, and with it Ready, waits for.
	Waits string
}

func TestExposure(t *testing.T) {
	inside := "https://kube-apiserver." + v1alpha1.HostedNamespace("team", "demo") + ".svc:6443"
	const noAddress = "Service kube-apiserver: no address from outside yet"
	ip := func(address string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{IP: address} }
	host := func(name string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{Hostname: name} }
	for name, test := range map[string]struct {
		exposure v1alpha1.ExposureType
		host     string
		ingress  []corev1.LoadBalancerIngress
		want     exposed
	}{
		"inside alone": {exposure: v1alpha1.ExposureClusterIP, host: "192.0.2.1", want: exposed{Endpoint: inside}},
		"node port": {
			exposure: v1alpha1.ExposureNodePort, host: "192.0.2.1",
			want: exposed{Targets: []string{"192.0.2.1"}, Addresses: []string{"192.0.2.1"}, Endpoint: "https://192.0.2.1:30001"},
		},
		"node port of a name": {
			exposure: v1alpha1.ExposureNodePort, host: "nodes.example.com",
			want: exposed{Targets: []string{"nodes.example.com"}, Names: []string{"nodes.example.com"}, Endpoint: "https://nodes.example.com:30001"},
		},
		"node port where nobody says at which host": {exposure: v1alpha1.ExposureNodePort, want: exposed{Endpoint: inside}},
		"load balancer without an address":          {exposure: v1alpha1.ExposureLoadBalancer, host: "192.0.2.1", want: exposed{Waits: noAddress}},
		"load balancer with addresses": {
			exposure: v1alpha1.ExposureLoadBalancer, ingress: []corev1.LoadBalancerIngress{ip("192.0.2.7"), ip("2001:db8::7")},
			want: exposed{Targets: []string{"192.0.2.7", "2001:db8::7"}, Addresses: []string{"192.0.2.7", "2001:db8::7"}, Endpoint: "https://192.0.2.7:6443"},
		},
		"load balancer with a name": {
			exposure: v1alpha1.ExposureLoadBalancer, ingress: []corev1.LoadBalancerIngress{host("lb.example.com")},
			want: exposed{Targets: []string{"lb.example.com"}, Names: []string{"lb.example.com"}, Endpoint: "https://lb.example.com:6443"},
		},
		// Targets are a set: the API refuses one that is there twice.
		"load balancer that says so twice": {
			exposure: v1alpha1.ExposureLoadBalancer, ingress: []corev1.LoadBalancerIngress{host("lb.example.com"), host("lb.example.com")},
			want: exposed{Targets: []string{"lb.example.com"}, Names: []string{"lb.example.com"}, Endpoint: "https://lb.example.com:6443"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen, config := tenant(), config
			withPKI(seen)
			seen.Cluster.Spec.Exposure.Type, config.ExposureHost = test.exposure, test.host
			seen.Services[1].Status.LoadBalancer.Ingress = test.ingress
			seen.KeyPairs = map[string]*corev1.Secret{v1alpha1.SecretAdmin: {Data: map[string][]byte{"tls.crt": []byte("c"), "tls.key": []byte("k"), "ca.crt": []byte("ca")}}}
			got, err := desired.Tenant(seen, config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, exposedBy(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func exposedBy(state *desired.State) exposed {
	// Those that every API server has: of the Service, of kubernetes.default and its address, and of five NICs.
	const names, addresses = 8, 6
	result := exposed{Endpoint: state.Endpoint, Waits: state.KubeconfigWaits}
	for _, object := range state.Objects {
		switch object := object.Desired.(type) {
		case *slipwayac.TenantDNSApplyConfiguration:
			result.Targets = object.Spec.APITargets
		case *slipwayac.TenantPKIApplyConfiguration:
			if more := object.Spec.APIServer.DNSNames[names:]; len(more) > 0 {
				result.Names = more
			}
			if more := object.Spec.APIServer.IPAddresses[addresses:]; len(more) > 0 {
				result.Addresses = more
			}
		}
	}
	return result
}
