package tenantnetwork

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/sets"

	"slipway.dev/api/v1alpha1"
)

func TestChanged(t *testing.T) {
	carried := func(uid string, generation int64, ports int32) v1alpha1.ProgrammedNetwork {
		return v1alpha1.ProgrammedNetwork{UID: uid, Generation: generation, Ports: ports}
	}
	before := []v1alpha1.ProgrammedNetwork{carried("red", 1, 2), carried("blue", 1, 1)}
	for name, test := range map[string]struct {
		after []v1alpha1.ProgrammedNetwork
		want  sets.Set[string]
	}{
		"a NIC is plugged in":    {[]v1alpha1.ProgrammedNetwork{carried("red", 1, 3), carried("blue", 1, 1)}, sets.New[string]()},
		"a network is dropped":   {[]v1alpha1.ProgrammedNetwork{carried("blue", 1, 1)}, sets.New("red")},
		"a network comes":        {append(before, carried("green", 1, 1)), sets.New("green")},
		"another generation is":  {[]v1alpha1.ProgrammedNetwork{carried("red", 2, 2), carried("blue", 1, 1)}, sets.New("red")},
		"everything is dropped":  {nil, sets.New("red", "blue")},
		"nothing about them all": {before, sets.New[string]()},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, changed(before, test.after)); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
		})
	}
}
