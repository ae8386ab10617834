package allocation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/api/v1alpha1"
)

// TestPortStatus: what a port has got it keeps, but for an address that is
// another's or none of the network.
func TestPortStatus(t *testing.T) {
	allocated := v1alpha1.NetworkPortStatus{
		IPAddress: "10.200.0.16", MACAddress: "02:07:0a:c8:00:10", PrefixLength: 26, Gateway: "10.200.0.1", MTU: 1450,
	}
	asked := allocated
	asked.IPAddress, asked.MACAddress = "10.200.0.20", "02:07:0a:c8:00:14"
	attached := allocated
	attached.Attachment = &v1alpha1.PortAttachment{NodeName: "a"}
	for name, test := range map[string]struct {
		asks                string
		had                 v1alpha1.NetworkPortStatus
		elsewhere, notReady bool
		others              []v1alpha1.NetworkPort
		want                v1alpha1.NetworkPortStatus
		reason              string
	}{
		"new":                        {want: allocated, reason: "Allocated"},
		"asks":                       {asks: "10.200.0.20", want: asked, reason: "Allocated"},
		"plugged in":                 {had: attached, want: allocated, reason: "Allocated"},
		"network is not ready":       {notReady: true, reason: ReasonNetworkNotReady},
		"network lost its status":    {notReady: true, had: attached, want: allocated, reason: ReasonNetworkNotReady},
		"in no hosted namespace":     {elsewhere: true, reason: "NotHosted"},
		"namespace is no longer one": {elsewhere: true, had: allocated, want: allocated, reason: "NotHosted"},
		"asks for another later":     {asks: "10.200.0.20", had: allocated, want: allocated, reason: v1alpha1.ReasonAddressFixed},
		"asks for what is not there": {asks: "10.200.9.20", had: allocated, reason: v1alpha1.ReasonInvalidAddress},
		"asks for what another has":  {asks: "10.200.0.20", others: []v1alpha1.NetworkPort{requester(1, "", "10.200.0.20")}, reason: v1alpha1.ReasonAddressTaken},
	} {
		t.Run(name, func(t *testing.T) {
			network := demo()
			if !test.notReady {
				network.Status = v1alpha1.TenantNetworkStatus{VNI: new(int32(7)), MTU: 1450, Gateway: &v1alpha1.Gateway{IPAddress: "10.200.0.1"}}
			}
			port := requester(5, test.asks, "")
			port.Status, port.Generation = test.had, 3
			got, err := PortStatus(port, network, !test.elsewhere, append(test.others, port))
			if err != nil {
				t.Fatal(err)
			}
			ready := got.Conditions[0]
			if ready.Reason != test.reason || ready.ObservedGeneration != 3 || got.ObservedGeneration != 3 {
				t.Errorf("reason %s of generation %d, want %s: %s", ready.Reason, got.ObservedGeneration, test.reason, ready.Message)
			}
			if diff := cmp.Diff(test.want, identityOf(got)); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}
