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
