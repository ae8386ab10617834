package allocation

import (
	"testing"

	"slipway.dev/operators/network/fabric"
)

func TestVNICandidates(t *testing.T) {
	var got []int32
	for vni := range VNICandidates("uid", nil) {
		got = append(got, vni)
		if len(got) == 3 {
			break
		}
	}
	if got[0]%fabric.MaxVNI+1 != got[1] || got[1]%fabric.MaxVNI+1 != got[2] {
		t.Errorf("candidates %v do not follow each other", got)
	}
	seen := map[int32]bool{}
	for vni := range VNICandidates("another", nil) {
		if vni < 1 || vni > fabric.MaxVNI || seen[vni] {
			t.Fatalf("candidate %d", vni)
		}
		seen[vni] = true
	}
	if len(seen) != fabric.MaxVNI {
		t.Errorf("%d candidates", len(seen))
	}
	for vni := range VNICandidates("uid", new(int32(7))) {
		if vni != 7 {
			t.Errorf("begins with %d, not with what the network had", vni)
		}
		break
	}
}
