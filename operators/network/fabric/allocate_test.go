package fabric

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/api/v1alpha1"
)

func TestVNICandidates(t *testing.T) {
	var got []int32
	for vni := range VNICandidates("uid", nil) {
		got = append(got, vni)
		if len(got) == 3 {
			break
		}
	}
	if got[0]%MaxVNI+1 != got[1] || got[1]%MaxVNI+1 != got[2] {
		t.Errorf("candidates %v do not follow each other", got)
	}
	seen := map[int32]bool{}
	for vni := range VNICandidates("another", nil) {
		if vni < 1 || vni > MaxVNI || seen[vni] {
			t.Fatalf("candidate %d", vni)
		}
		seen[vni] = true
	}
	if len(seen) != MaxVNI {
		t.Errorf("%d candidates", len(seen))
	}
	for vni := range VNICandidates("uid", new(int32(7))) {
		if vni != 7 {
			t.Errorf("begins with %d, not with what the network had", vni)
		}
		break
	}
}

// requester makes ports in order of age; has is the address in its status.
func requester(age int, asks, has string) v1alpha1.NetworkPort {
	name := fmt.Sprintf("port-%d", age)
	return v1alpha1.NetworkPort{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Unix(int64(age), 0))},
		Spec:       v1alpha1.NetworkPortSpec{NetworkName: "demo", IPAddress: asks},
		Status:     v1alpha1.NetworkPortStatus{IPAddress: has},
	}
}

func TestAllocateAddress(t *testing.T) {
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
		"asked for and taken":         {requester(5, "10.200.0.10", ""), []v1alpha1.NetworkPort{requester(1, "", "10.200.0.10")}, ReasonAddressTaken},
		"what another has lost":       {requester(1, "", ""), []v1alpha1.NetworkPort{requester(5, "10.200.0.16", ""), requester(6, "10.200.0.17", "")}, "10.200.0.18"},
		"what another asks for":       {requester(5, "10.200.0.16", ""), []v1alpha1.NetworkPort{requester(1, "10.200.0.16", "")}, "10.200.0.16"},
		"asked for another later":     {requester(5, "10.200.0.11", "10.200.0.10"), nil, ReasonAddressFixed},
		"the older of two keeps it":   {requester(5, "", "10.200.0.16"), []v1alpha1.NetworkPort{requester(6, "", "10.200.0.16")}, "10.200.0.16"},
		"the younger of two moves":    {requester(5, "", "10.200.0.16"), []v1alpha1.NetworkPort{requester(4, "", "10.200.0.16")}, "10.200.0.17"},
		"the gateway":                 {requester(5, "10.200.0.1", ""), nil, ReasonInvalidAddress},
		"the broadcast address":       {requester(5, "10.200.0.63", ""), nil, ReasonInvalidAddress},
		"the range itself":            {requester(5, "10.200.0.0", ""), nil, ReasonInvalidAddress},
		"outside":                     {requester(5, "10.200.1.5", ""), nil, ReasonInvalidAddress},
		"no address":                  {requester(5, "ten", ""), nil, ReasonInvalidAddress},
		"all are in use":              {requester(99, "", ""), full, ReasonNetworkFull},
		"one is left below dynamic's": {requester(99, "10.200.0.12", ""), full, "10.200.0.12"},
	} {
		t.Run(name, func(t *testing.T) {
			address, err := AllocateAddress(netip.MustParsePrefix("10.200.0.0/26"), test.port, append(test.others, test.port))
			got := address.String()
			var refusal *Refusal
			if errors.As(err, &refusal) {
				got = refusal.Reason
			}
			if got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

func TestMAC(t *testing.T) {
	seen := map[string]bool{}
	for _, vni := range []int32{1, 2, 0x1f00, 0x1fff, MaxVNI} {
		for _, ip := range []string{"10.200.0.1", "10.200.0.16"} {
			mac := MAC(vni, netip.MustParseAddr(ip))
			if mac[0]&1 != 0 || mac[0]&2 == 0 || mac[0] == 0xfe || mac[0] >= 0x80 || seen[string(mac)] && vni != MaxVNI {
				t.Errorf("MAC(%d, %s) = %s", vni, ip, mac)
			}
			seen[string(mac)] = true
		}
	}
}
