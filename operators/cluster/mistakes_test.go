package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mistake turns a good specification into one that the API server must refuse.
type mistake struct {
	name string
	make func(*unstructured.Unstructured)
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// mistakes are all that we can think of, field by field.
func mistakes() []mistake {
	var all []mistake
	// in puts each value at a path below spec.
	in := func(path string, values ...any) {
		for _, value := range values {
			all = append(all, mistake{fmt.Sprintf("%s: %.80v", path, value), func(object *unstructured.Unstructured) {
				set(object.Object["spec"].(map[string]any), strings.Split(path, "."), value)
			}})
		}
	}
	for _, name := range []string{repeat("a", 41), "a.b", "1a", "-a", "a-", "A", repeat("a", 64)} {
		all = append(all, mistake{"name: " + name, func(object *unstructured.Unstructured) { object.SetName(name) }})
	}
	crowded := func(field, cidr string, workers int64) {
		all = append(all, mistake{"more workers than " + field + " is for", func(object *unstructured.Unstructured) {
			spec := object.Object["spec"].(map[string]any)
			spec["network"] = map[string]any{field: cidr}
			spec["nodePools"] = []any{map[string]any{"name": "a", "replicas": workers - 1}, map[string]any{"name": "b"}}
		}})
	}
	crowded("podCIDR", "10.244.0.0/22", 4)
	crowded("podCIDR", "10.244.0.0/19", 32)
	crowded("nodeCIDR", "10.200.0.0/26", 47)
	in("version", "", "latest", "1.36", "v1.36", "v1.99.0", "v1.36.3-rc.1", "v2.0.0", repeat("v", 21), int64(1))
	in("typo", true)
	controlPlaneMistakes(in)
	networkMistakes(in)
	namingMistakes(in)
	registryMistakes(in)
	poolMistakes(in)
	return all
}

// set makes the parents that are not there.
func set(object map[string]any, path []string, value any) {
	if len(path) == 1 {
		object[path[0]] = value
		return
	}
	child, ok := object[path[0]].(map[string]any)
	if !ok {
		child = map[string]any{}
		object[path[0]] = child
	}
	set(child, path[1:], value)
}

func controlPlaneMistakes(in func(string, ...any)) {
	in("controlPlane.replicas", int64(0), int64(-1), int64(6), "3", 1.5)
	in("controlPlane.etcd.replicas", int64(0), int64(2), int64(4), int64(7), int64(-1))
	in("controlPlane.etcd.storage", "0", "-2Gi", "1Mi", "511Mi", "1Ei", "2Ti", "33Gi", "1e30", "1e99999", "1e-9", "2147483648.5", "1073741824500m", "much", "2GiB", "2 Gi", "", int64(1), int64(-5), true)
	in("controlPlane.etcd.storageClassName", "", "Fast", "a_b", "-a", "a-", "a b", "a/b", "a..b", repeat("a", 254), "other")
	in("controlPlane.resources", map[string]any{"claims": []any{map[string]any{"name": "gpu"}}})
	for _, kind := range []string{"requests", "limits"} {
		in("controlPlane.resources."+kind,
			map[string]any{"nvidia.com/gpu": int64(1)}, map[string]any{"ephemeral-storage": "1Gi"}, map[string]any{"CPU": int64(1)},
			map[string]any{"hugepages-2Mi": "2Mi", "memory": "1Gi"}, map[string]any{"": int64(1)})
		in("controlPlane.resources", any(map[string]any{kind: map[string]any{"cpu": "-1"}}), map[string]any{kind: map[string]any{"cpu": "0"}},
			map[string]any{kind: map[string]any{"cpu": "9m"}}, map[string]any{kind: map[string]any{"cpu": "100500u"}}, map[string]any{kind: map[string]any{"cpu": "0.1005"}},
			map[string]any{kind: map[string]any{"cpu": "129"}}, map[string]any{kind: map[string]any{"cpu": "5"}}, map[string]any{kind: map[string]any{"cpu": "1k"}},
			map[string]any{kind: map[string]any{"cpu": "much"}}, map[string]any{kind: map[string]any{"memory": "-1Gi"}}, map[string]any{kind: map[string]any{"memory": "0"}},
			map[string]any{kind: map[string]any{"memory": "1Mi"}}, map[string]any{kind: map[string]any{"memory": "63Mi"}}, map[string]any{kind: map[string]any{"memory": "1073741824500m"}},
			map[string]any{kind: map[string]any{"memory": "2Ti"}}, map[string]any{kind: map[string]any{"memory": "1Ei"}}, map[string]any{kind: map[string]any{"memory": "17Gi"}},
			map[string]any{kind: map[string]any{"memory": int64(256)}}, map[string]any{kind: map[string]any{"memory": "1GB"}})
	}
	in("controlPlane.resources",
		map[string]any{"limits": map[string]any{"memory": "255Mi"}}, map[string]any{"limits": map[string]any{"cpu": "99m"}},
		map[string]any{"requests": map[string]any{"memory": "2Gi"}, "limits": map[string]any{"memory": "1Gi"}},
		map[string]any{"requests": map[string]any{"cpu": "2"}, "limits": map[string]any{"cpu": "1500m"}},
		map[string]any{"requests": map[string]any{"cpu": "2", "memory": "1Gi"}, "limits": map[string]any{"cpu": "3", "memory": "1023Mi"}})
}

func networkMistakes(in func(string, ...any)) {
	for _, field := range []string{"podCIDR", "serviceCIDR", "nodeCIDR"} {
		for _, base := range []string{
			"127.0.0.0", "127.5.0.0", "169.254.0.0", "224.0.0.0", "239.1.0.0", "240.0.0.0", "255.255.0.0", "0.0.0.0", "0.1.0.0", // of no network
			"100.64.0.0", "100.100.0.0", "100.127.0.0", // links of gateways
			"172.29.0.0", "172.30.0.0", "172.31.0.0", // management cluster
			"10.0.0.1", "300.1.0.0", "10.1.0", "010.1.0.0", // no range
		} {
			in("network."+field, base+"/16")
		}
		in("network."+field, "", "ten", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/-1", "10.1.0.0/16/16", " 10.1.0.0/16", "fd00::/16", "fd00::/64", "fd00::/120",
			"fd00:1111:2222:3333:4444:5555:6666:7777/128", "::ffff:10.0.0.0/112", "::/0", "0.0.0.0/0", "10.1.0.0/32", "10.1.0.0/31", "10.1.0.0/27", "10.0.0.0/7", "64.0.0.0/2", "128.0.0.0/1",
			int64(10), []any{"10.1.0.0/16"})
	}
	in("network", // two that meet
		map[string]any{"podCIDR": "10.0.0.0/16", "serviceCIDR": "10.0.0.0/16"}, map[string]any{"podCIDR": "10.0.0.0/9", "serviceCIDR": "10.64.0.0/24"},
		map[string]any{"podCIDR": "10.96.0.0/20"}, map[string]any{"podCIDR": "10.200.0.0/16"}, map[string]any{"serviceCIDR": "10.244.8.0/24"},
		map[string]any{"serviceCIDR": "10.192.0.0/12"}, map[string]any{"nodeCIDR": "10.244.255.0/24"}, map[string]any{"nodeCIDR": "10.96.0.0/16"},
		map[string]any{"podCIDR": "10.0.0.0/8", "nodeCIDR": "192.168.0.0/24"})
	in("network.mtu", int64(0), int64(-1), int64(576), int64(1279), int64(8951), int64(9000), int64(65536), "1400")
	in("network.cni", "", "calico", "Bridge")
}

func namingMistakes(in func(string, ...any)) {
	in("exposure.type", "", "Ingress", "nodePort", "ExternalName", "LoadBalancer")
	for _, name := range []string{
		"", " ", ".", "*", "*.", "a.*", "**.example.com", "*a.example.com", "https://api.example.com", "api.example.com:6443", "api.example.com/path", "api.example.com.", "Api.example.com",
		"api..example.com", "-api.example.com", "api-.example.com", "api_1.example.com", "10.0.0.0/24", "fd00::/64", "10.0.0", "300.1.2.3", "10.0.0.1.2", "10.0.0.1:6443", "[2001:db8::1]",
		"2001:DB8::1", "2001:db8:0:0::1", "::ffff:10.0.0.1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "169.254.169.254", "255.255.255.255", "bücher.example", "a,b", "user@example.com",
		repeat("a", 64) + ".example.com", "*." + repeat("a", 64) + ".com", repeat("a.", 127) + "aa",
	} {
		in("exposure.certSANs", []any{name})
	}
	in("exposure.certSANs", []any{"a.example.com", "a.example.com"}, []any{int64(1)})
	in("dns.domain", "", ".", "Cluster.Local", "cluster.local.", ".cluster.local", "cluster..local", "cluster_local", "-a.local", "a-.local", "a b", "10.0.0.1", "cluster.1", "https://cluster.local",
		"cluster.local/16", "*.cluster.local", repeat("a", 64), repeat("a", 64)+".local", "svc."+repeat("b", 64)+".local", repeat("a.", 60)+"aa", "{$HOME}", "a\nb", int64(1))
}

func registryMistakes(in func(string, ...any)) {
	registry := func(fields ...string) []any {
		object := map[string]any{"host": "docker.io", "endpoint": "https://mirror.example.com"}
		for i := 0; i < len(fields); i += 2 {
			object[fields[i]] = fields[i+1]
		}
		return []any{object}
	}
	for _, host := range []string{
		"", " ", "https://docker.io", "docker.io/library", "Docker.io", "docker_io", "docker..io", ".docker.io", "docker.io.", "-docker.io", "docker.io:", "docker.io:0", "docker.io:00443", "docker.io:65536",
		"docker.io:99999", "docker.io:http", "docker.io:1:2", "user@docker.io", "..", "../etc", "*.docker.io", "[::1]:5000", "300.1.2.3", "10.1.2:5000", repeat("a", 64) + ".io", repeat("a.", 126) + "io",
	} {
		in("registries", registry("host", host))
	}
	for _, endpoint := range []string{
		"", " ", "mirror", "mirror:5000", "//mirror", "ftp://mirror", "unix:///run/x", "https://", "https:///path", "https://:5000", "https:mirror", "https://mirror:", "https://mirror:0", "https://mirror:00443",
		"https://mirror:65536", "https://mirror:99999", "https://mirror:http", "https://mirror:-1", "https://user:pass@mirror", "https://user@mirror:5000", "https://@mirror", "https://mirror?ns=a", "https://mirror/?a=b",
		"https://mirror/a?b", "https://mirror#x", "https://mirror/a#b", "https://mirror_1", "https://-mirror", "https://mirror..example", "https://mirror.example.", "https://[2001:db8::1]:5000", "https://[2001:db8::1]",
		"https://mirror /a", "https://mirror/a b", "https://mirror/\"", "https://mirror/a\nb", "https://mirror/../x", "https://mirror/a/..", "https://mirror/./a", "https://mirror/a:b", "https://mirror/{a}",
		"https://" + repeat("a", 64) + ".example", "https://mirror/" + repeat("a", 512), "https://*.example.com", "https://300.1.2.3", "https://10.1.2:5000/a",
	} {
		in("registries", registry("endpoint", endpoint))
	}
	for _, field := range []string{"caSecretName", "credentialsSecretName"} {
		for _, name := range []string{"", "Ca", "a_b", "a b", "-a", "a-", "a/b", "../a", ".a", "a.", "a..b", repeat("a", 254)} {
			in("registries", registry(field, name))
		}
	}
	in("registries", registry("endpoint", "http://mirror", "caSecretName", "ca"), append(registry(), registry()...), []any{map[string]any{"host": "docker.io"}}, []any{map[string]any{"endpoint": "https://mirror"}})
}

func poolMistakes(in func(string, ...any)) {
	pool := func(field string, value any) []any { return []any{map[string]any{"name": "a", field: value}} }
	for _, name := range []string{"", "A", "a_b", "1a", "-a", "a-", "a.b", "a b", repeat("a", 41), "ü"} {
		in("nodePools", pool("name", name))
	}
	in("nodePools", []any{map[string]any{"name": "a"}, map[string]any{"name": "a"}}, []any{map[string]any{"replicas": int64(1)}})
	var many []any
	for i := range 13 {
		many = append(many, map[string]any{"name": fmt.Sprint("p", i)})
	}
	in("nodePools", many, many[:5])
	for _, replicas := range []any{int64(-1), int64(51), int64(101), "3", 1.5} {
		in("nodePools", pool("replicas", replicas))
	}
	for _, version := range []any{"v1.37.0", "v1.32.0", "latest", ""} {
		in("nodePools", pool("version", version))
	}
	for _, machine := range []map[string]any{
		{"cores": int64(0)}, {"cores": int64(-1)}, {"cores": int64(17)}, {"cores": int64(129)}, {"cores": "2"}, {"cores": 1.5},
		{"memory": "0"}, {"memory": "-2Gi"}, {"memory": "1023Mi"}, {"memory": "65Gi"}, {"memory": "5Ti"}, {"memory": "1Ei"}, {"memory": "1e30"}, {"memory": "2147483648.5"}, {"memory": "2147483648500m"}, {"memory": "much"}, {"memory": int64(2)},
		{"disk": "0"}, {"disk": "-10Gi"}, {"disk": "1Gi"}, {"disk": "201Gi"}, {"disk": "65Ti"}, {"disk": "1Ei"}, {"disk": "1e30"}, {"disk": "10737418240.5"}, {"disk": "10GB"}, {"disk": int64(10)},
		{"gpus": int64(1)},
	} {
		in("nodePools", pool("machine", machine))
	}
	for _, kubelet := range []map[string]any{
		{"maxPods": int64(0)}, {"maxPods": int64(251)}, {"maxPods": "10"}, {"typo": int64(1)},
		{"reserved": map[string]any{"cpu": "0"}}, {"reserved": map[string]any{"cpu": "1m"}}, {"reserved": map[string]any{"cpu": "65"}}, {"reserved": map[string]any{"cpu": "0.5"}},
		{"reserved": map[string]any{"memory": "1Mi"}}, {"reserved": map[string]any{"memory": "2"}}, {"reserved": map[string]any{"memory": "much"}}, {"reserved": map[string]any{"memory": "2Ti"}},
		{"reserved": map[string]any{"ephemeral-storage": "1Gi"}},
		{"evictionHard": map[string]any{"memory": "1Gi"}}, {"evictionHard": map[string]any{"memory.available": "0"}}, {"evictionHard": map[string]any{"memory.available": "100%"}},
		{"evictionHard": map[string]any{"nodefs.available": "0%"}}, {"evictionHard": map[string]any{"nodefs.available": "ten"}}, {"evictionHard": map[string]any{"nodefs.available": "1.5Gi"}},
		{"evictionHard": map[string]any{"imagefs.available": "-1Gi"}}, {"evictionHard": map[string]any{"imagefs.available": ""}},
		{"shutdownGracePeriodSeconds": int64(4)}, {"shutdownGracePeriodSeconds": int64(601)}, {"shutdownGracePeriodSeconds": "1m"},
	} {
		in("nodePools", pool("kubelet", kubelet))
	}
	for _, timeout := range []any{int64(0), int64(-1), int64(86401), "10m"} {
		in("nodePools", pool("drainTimeoutSeconds", timeout))
	}
	for _, key := range []string{
		"", " ", "a b", "a,b=c", "a=b", "a --root-dir=/x", "a\nb", "a\"b", "a'b", "a/b/c", "/a", "a/", "-a", "a-", "_a", "Example.com/a", "example..com/a", "-example.com/a", "ü", repeat("a", 64), "example.com/" + repeat("a", 64),
		repeat("a.", 130) + "com/a", "kubernetes.io/role", "node-role.kubernetes.io/worker", "k8s.io/a", "x.k8s.io/a", "topology.kubernetes.io/zone", "slipway.dev/pool", "x.slipway.dev/a",
	} {
		in("nodePools", pool("labels", map[string]any{key: "x"}))
		if !strings.Contains(key, "kubernetes.io/") && !strings.Contains(key, "k8s.io/") && !strings.Contains(key, "slipway.dev/") {
			in("nodePools", pool("taints", []any{map[string]any{"key": key, "effect": "NoSchedule"}}))
		}
	}
	for _, value := range []string{" ", "a b", "a,b=c", "a=b", "-a", "a-", "a/b", "ü", "a\nb", repeat("a", 64)} {
		in("nodePools", pool("labels", map[string]any{"a": value}), pool("taints", []any{map[string]any{"key": "a", "value": value, "effect": "NoSchedule"}}))
	}
	taint := func(key, effect string) map[string]any { return map[string]any{"key": key, "effect": effect} }
	in("nodePools",
		pool("taints", []any{taint("a", "Never")}), pool("taints", []any{taint("a", "")}), pool("taints", []any{map[string]any{"key": "a"}}), pool("taints", []any{map[string]any{"effect": "NoSchedule"}}),
		pool("taints", []any{taint("a", "NoSchedule"), taint("a", "NoSchedule")}), pool("taints", []any{taint("a", "NoExecute"), taint("b", "NoExecute"), map[string]any{"key": "a", "value": "x", "effect": "NoExecute"}}),
		pool("taints", []any{taint("node.kubernetes.io/not-ready", "NoSchedule")}), pool("taints", []any{taint("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule")}))
}
