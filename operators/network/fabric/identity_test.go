package fabric

import (
	"net/netip"
	"testing"
)

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
