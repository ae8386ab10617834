package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/kit/testenv"
)

const umbrellaChart = "../../charts/slipway"

// chartValues are those that the chart cannot do without.
var chartValues = []string{
	"global.dns.baseDomain=k8s.example.com",
	"dns-operator.authoritativeServer=ns1.example.com:53",
	"kvm-operator.guest.nameservers={192.0.2.53}",
}

// TestChartValues: what operators share is given once, and what cannot be
// guessed is asked for.
func TestChartValues(t *testing.T) {
	bases := map[string]string{}
	for _, object := range testenv.Chart(t, umbrellaChart, chartValues...) {
		if object.GetKind() != "Deployment" {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		arguments, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		for _, argument := range arguments {
			if base, found := strings.CutPrefix(argument, "--base-domain="); found {
				bases[object.GetName()] = base
			}
		}
	}
	for _, operator := range []string{"cluster-operator", "dns-operator"} {
		if bases[operator] != "k8s.example.com" {
			t.Errorf("%s has base domain %q, want k8s.example.com", operator, bases[operator])
		}
	}
	for n, wanted := range []string{
		"global.dns.baseDomain: the domain below which the names of all tenants lie",
		"authoritativeServer: host:port of a server of that domain",
		"guest.nameservers: IPv4 addresses of the guests' name servers",
	} {
		t.Run("without "+chartValues[n], func(t *testing.T) {
			values := slices.Delete(slices.Clone(chartValues), n, n+1)
			if got := testenv.ChartError(t, umbrellaChart, values...); !strings.Contains(got, wanted) {
				t.Errorf("refused with %q, want %q", got, wanted)
			}
		})
	}
}

// TestManagementRanges: the management cluster's ranges are given once, and the
// agents keep tenants out of them.
func TestManagementRanges(t *testing.T) {
	allow := append(slices.Clone(chartValues), "network-operator.egress.allow={192.0.2.0/24}")
	if got := testenv.ChartError(t, umbrellaChart, allow...); !strings.Contains(got, "egress.allow needs global.limits.managementRanges") {
		t.Errorf("refused with %q", got)
	}
	for value, wanted := range map[string]string{
		"global.limits.managementRanges.pods={172.31.0.0/16}":     "--management-cidrs=172.31.0.0/16",
		"network-operator.egress.managementCIDRs={172.29.0.0/16}": "--management-cidrs=172.29.0.0/16",
	} {
		found := slices.ContainsFunc(testenv.Chart(t, umbrellaChart, append(slices.Clone(allow), value)...), func(object *unstructured.Unstructured) bool {
			containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			if object.GetKind() != "DaemonSet" {
				return false
			}
			arguments, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
			return slices.Contains(arguments, wanted)
		})
		if !found {
			t.Errorf("%s does not give the agents %s", value, wanted)
		}
	}
}

// TestLongBaseDomain: *.apps.NAME.NAMESPACE.BASE fits into the 253 characters of a DNS name.
func TestLongBaseDomain(t *testing.T) {
	base := strings.Repeat("a.", 60) + "a"
	got := testenv.ChartError(t, umbrellaChart, append(slices.Clone(chartValues), "global.dns.baseDomain="+base)...)
	if !strings.Contains(got, "baseDomain") {
		t.Errorf("refused with %q", got)
	}
	if longest := len("*.apps.") + 40 + len(".") + 63 + len(".") + len(base) - 1; longest > 253 {
		t.Errorf("names of %d characters are allowed", longest)
	}
}
