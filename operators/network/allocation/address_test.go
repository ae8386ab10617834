package allocation

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
)

// requester makes ports in order of age; has is the address in its status.
func requester(age int, asks, has string) v1alpha1.NetworkPort {
	name := fmt.Sprintf("port-%d", age)
	return v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Unix(int64(age), 0))},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: "demo", IPAddress: asks},
		Status:     v1alpha1.NetworkPortStatus{IPAddress: has},
	}
}

func TestAddressFor(t *testing.T) {
	elsewhere := requester(1, "", "10.200.0.16")
	elsewhere.Spec.NetworkName = "other"
	full := []v1alpha1.NetworkPort{}
	for i := 16; i < 63; i++ {
		full = append(full, requester(i, "", fmt.Sprintf("10.200.0.%d", i)))
	}
	for name, test := range map[string]struct {
		port   v1alpha1.NetworkPort
		others []v1alpha1.NetworkPort
		want   string // address or reason
	}{
		"the first":                   {requester(5, "", ""), nil, "10.200.0.16"},
		"the lowest that is free":     {requester(5, "", ""), []v1alpha1.NetworkPort{requester(1, "", "10.200.0.16"), requester(2, "", "10.200.0.18")}, "10.200.0.17"},
		"another network's is free":   {requester(5, "", ""), []v1alpha1.NetworkPort{elsewhere}, "10.200.0.16"},
		"what is asked for":           {requester(5, "10.200.0.10", ""), nil, "10.200.0.10"},
		"what it has":                 {requester(5, "", "10.200.0.40"), []v1alpha1.NetworkPort{requester(1, "", "10.200.0.16")}, "10.200.0.40"},
		"asked for and taken":         {requester(5, "10.200.0.10", ""), []v1alpha1.NetworkPort{requester(1, "", "10.200.0.10")}, v1alpha1.ReasonAddressTaken},
		"what another has lost":       {requester(1, "", ""), []v1alpha1.NetworkPort{requester(5, "10.200.0.16", ""), requester(6, "10.200.0.17", "")}, "10.200.0.18"},
		"what another asks for":       {requester(5, "10.200.0.16", ""), []v1alpha1.NetworkPort{requester(1, "10.200.0.16", "")}, "10.200.0.16"},
		"asked for another later":     {requester(5, "10.200.0.11", "10.200.0.10"), nil, v1alpha1.ReasonAddressFixed},
		"the older of two keeps it":   {requester(5, "", "10.200.0.16"), []v1alpha1.NetworkPort{requester(6, "", "10.200.0.16")}, "10.200.0.16"},
		"the younger of two moves":    {requester(5, "", "10.200.0.16"), []v1alpha1.NetworkPort{requester(4, "", "10.200.0.16")}, "10.200.0.17"},
		"the gateway":                 {requester(5, "10.200.0.1", ""), nil, v1alpha1.ReasonInvalidAddress},
		"the broadcast address":       {requester(5, "10.200.0.63", ""), nil, v1alpha1.ReasonInvalidAddress},
		"the range itself":            {requester(5, "10.200.0.0", ""), nil, v1alpha1.ReasonInvalidAddress},
		"outside":                     {requester(5, "10.200.1.5", ""), nil, v1alpha1.ReasonInvalidAddress},
		"no address":                  {requester(5, "ten", ""), nil, v1alpha1.ReasonInvalidAddress},
		"all are in use":              {requester(99, "", ""), full, v1alpha1.ReasonNetworkFull},
		"one is left below dynamic's": {requester(99, "10.200.0.12", ""), full, "10.200.0.12"},
	} {
		t.Run(name, func(t *testing.T) {
			address, refused := addressFor(netip.MustParsePrefix("10.200.0.0/26"), test.port, append(test.others, test.port))
			got := address.String()
			if refused != nil {
				got = refused.reason
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
