package bootstrap_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubeproxyv1alpha1 "k8s.io/kube-proxy/config/v1alpha1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/cloudinit"
	"slipway.dev/guest/contract"
	"slipway.dev/kit/golden"
	"slipway.dev/operators/kvm/bootstrap"
)

var token = bootstrap.Token{ID: "abcdef", Secret: "0123456789abcdef"}

func input() bootstrap.Input {
	return bootstrap.Input{
		Namespace: "tenant-demo-12345678", Name: "a-bcdfg", Pool: "a",
		Spec: v1alpha1.MachineSpec{
			Machine: v1alpha1.MachineSize{Cores: 2, Memory: resource.MustParse("2Gi"), Disk: resource.MustParse("10Gi")},
			Labels:  map[string]v1alpha1.NodeLabelValue{"example.com/disk": "fast"},
			Taints:  []v1alpha1.NodeTaint{{Key: "example.com/dedicated", Value: "db", Effect: corev1.TaintEffectNoSchedule}},
			Cluster: v1alpha1.MachineCluster{
				APIServer: "https://10.200.0.10:6443", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local",
				PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge,
			},
		},
		Port: v1alpha1.NetworkPortStatus{
			MACAddress: "02:00:00:c8:00:10", IPAddress: "10.200.0.16", PrefixLength: 24, Gateway: "10.200.0.1", MTU: 1450,
		},
		ClusterCA: []byte("-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n"),
		Token:     token,
		Registries: []bootstrap.Registry{
			{Host: "registry.slipway.internal", Endpoint: "https://registry.slipway.internal:5000", CA: []byte("registry CA\n"), Username: "guest", Password: `pa"ss`},
			{Host: "docker.io", Endpoint: "http://mirror.example.com"},
		},
		Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.53")},
	}
}

func build(t *testing.T, in bootstrap.Input) bootstrap.Data {
	t.Helper()
	data, err := bootstrap.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBuild(t *testing.T) {
	data := build(t, input())
	golden.File(t, "user-data.yaml", string(data.UserData))
	golden.File(t, "network-config.yaml", string(data.NetworkData))
}

// guestFiles are the files as the guest's own reader of cloud-init data gets them.
func guestFiles(t *testing.T, in bootstrap.Input) map[string]cloudinit.File {
	t.Helper()
	config, err := cloudinit.ParseUserData(build(t, in).UserData)
	if err != nil {
		t.Fatal(err)
	}
	if config.Hostname != in.Name {
		t.Errorf("host name %q", config.Hostname)
	}
	files := map[string]cloudinit.File{}
	for _, file := range config.Files {
		files[file.Path] = file
	}
	return files
}

func TestGuestReadsIt(t *testing.T) {
	files := guestFiles(t, input())
	for _, path := range []string{
		contract.KubeletConfig, contract.KubeletEnv, contract.BootstrapKubeconfig, contract.ClusterCA, contract.KubeProxyConfig,
		contract.KubeProxyKubeconfig, contract.CNITemplate, contract.RegistryHosts + "/docker.io/hosts.toml",
	} {
		if _, ok := files[path]; !ok {
			t.Errorf("no %s", path)
		}
	}
	for path, file := range files {
		if strings.Contains(string(file.Content), token.Secret) && file.Mode != 0o600 {
			t.Errorf("%s holds the token and has mode %o", path, file.Mode)
		}
	}
	variables, err := cloudinit.ParseEnvironment(files[contract.KubeletEnv].Content)
	if err != nil {
		t.Fatal(err)
	}
	args, err := cloudinit.SplitArguments(variables[contract.KubeletArgs])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--node-ip=10.200.0.16", "--hostname-override=a-bcdfg", "--node-labels=example.com/disk=fast,slipway.dev/pool=a"}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	network, err := cloudinit.ParseNetwork(build(t, input()).NetworkData)
	if err != nil {
		t.Fatal(err)
	}
	if len(network.Ethernets) != 1 || network.Ethernets[0].MTU != 1450 || network.Ethernets[0].MAC.String() != "02:00:00:c8:00:10" ||
		network.Ethernets[0].Routes[0].Via != netip.MustParseAddr("10.200.0.1") || network.Ethernets[0].Routes[0].To.IsValid() {
		t.Errorf("network %+v", network)
	}
}

// TestKubernetesKnowsTheFields decodes strictly into the types of the release that runs in the guest.
func TestKubernetesKnowsTheFields(t *testing.T) {
	files := guestFiles(t, input())
	for path, into := range map[string]any{
		contract.KubeletConfig:   &kubeletv1beta1.KubeletConfiguration{},
		contract.KubeProxyConfig: &kubeproxyv1alpha1.KubeProxyConfiguration{},
	} {
		if err := yaml.UnmarshalStrict(files[path].Content, into); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestKubeletSettings(t *testing.T) {
	in := input()
	in.Spec.Kubelet = &v1alpha1.KubeletSettings{
		MaxPods:                    new(int32(200)),
		Reserved:                   v1alpha1.KubeletReserved{Memory: "500Mi"},
		EvictionHard:               map[string]v1alpha1.EvictionThreshold{"nodefs.available": "5%", "pid.available": "1000"},
		ShutdownGracePeriodSeconds: new(int32(60)),
	}
	files := guestFiles(t, in)
	got := kubeletv1beta1.KubeletConfiguration{}
	if err := yaml.UnmarshalStrict(files[contract.KubeletConfig].Content, &got); err != nil {
		t.Fatal(err)
	}
	want := kubeletv1beta1.KubeletConfiguration{
		MaxPods:      200,
		KubeReserved: map[string]string{"cpu": "50m", "memory": "500Mi", "ephemeral-storage": "500Mi"},
		EvictionHard: map[string]string{
			"memory.available": "100Mi", "nodefs.available": "5%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%",
			"pid.available": "1000",
		},
	}
	got = kubeletv1beta1.KubeletConfiguration{MaxPods: got.MaxPods, KubeReserved: got.KubeReserved, EvictionHard: got.EvictionHard}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kubelet (-want +got):\n%s", diff)
	}
	variables, err := cloudinit.ParseEnvironment(files[contract.KubeletEnv].Content)
	if err != nil || variables[contract.ShutdownGracePeriod] != "60" {
		t.Errorf("variables %q, %v", variables, err)
	}
}

// An endpoint may be a project below the registry's API, or another path.
func TestRegistriesBelowAPath(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://mirror.example.com": false, "https://mirror.example.com:5000/": false, "https://mirror.example.com/v2": false,
		"https://mirror.example.com/docker": false, "https://harbor.example.com/v2/hub": true, "http://10.0.0.1:5000/v2/a/b": true,
	} {
		in := input()
		in.Registries = []bootstrap.Registry{{Host: "docker.io", Endpoint: endpoint}}
		toml := string(guestFiles(t, in)[contract.RegistryHosts+"/docker.io/hosts.toml"].Content)
		if got := strings.Contains(toml, "override_path = true"); got != want {
			t.Errorf("%s: the path is as it says: %t, want %t\n%s", endpoint, got, want, toml)
		}
	}
}

func TestNoPodNetwork(t *testing.T) {
	in := input()
	in.Spec.Cluster.CNI = v1alpha1.CNINone
	if _, found := guestFiles(t, in)[contract.CNITemplate]; found {
		t.Error("a tenant with its own pod network gets ours")
	}
}

func TestBadPort(t *testing.T) {
	for name, change := range map[string]func(*bootstrap.Input){
		"address": func(in *bootstrap.Input) { in.Port.IPAddress = "" },
		"zone":    func(in *bootstrap.Input) { in.Port.IPAddress = "fe80::1%x --v=9" },
		"prefix":  func(in *bootstrap.Input) { in.Port.PrefixLength = 33 },
	} {
		in := input()
		change(&in)
		if _, err := bootstrap.Build(in); err == nil {
			t.Errorf("bad %s accepted", name)
		}
	}
}

func TestToken(t *testing.T) {
	made, err := bootstrap.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	read, err := bootstrap.ReadToken(&corev1.Secret{Data: bootstrap.SecretData(made, bootstrap.Data{}, "u", "n")})
	if err != nil || read != made {
		t.Errorf("read back: %v", err)
	}
	for _, text := range []string{fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s", token, token, token, token)} {
		if strings.Contains(text, token.Secret) {
			t.Errorf("prints its secret: %s", text)
		}
	}
	if _, err := bootstrap.ReadToken(&corev1.Secret{}); err == nil {
		t.Error("read a token from an empty Secret")
	}
}

func TestExpiration(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct{ after, expires, renewed time.Duration }{
		{0, time.Hour, 30 * time.Minute},
		{29 * time.Minute, time.Hour, 30 * time.Minute},
		{30 * time.Minute, 90 * time.Minute, time.Hour},
		{49 * time.Hour, 50 * time.Hour, 49*time.Hour + 30*time.Minute},
		{-time.Second, time.Hour, 30 * time.Minute}, // clocks differ
	} {
		expires, renewed := bootstrap.Expiration(created, created.Add(test.after))
		if expires.Sub(created) != test.expires || renewed.Sub(created) != test.renewed {
			t.Errorf("after %s: expires %s, renewed %s", test.after, expires.Sub(created), renewed.Sub(created))
		}
	}
}
