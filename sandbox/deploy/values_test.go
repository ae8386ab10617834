package deploy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/state"
)

// What the sandbox pushes runs in no other version, not even one that is pushed later under the same tag.
func TestImagesHaveDigests(t *testing.T) {
	builder := &build.Builder{Cache: t.TempDir()}
	var images []build.Image
	want := map[string]string{}
	for _, name := range []string{"guest", "slipway/kvm-operator"} {
		image, err := builder.Assemble(build.Spec{Name: name, Tag: "v1", Files: []build.File{{Path: "/name", Data: []byte(name), Mode: 0o644}}})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		want[name+":v1"] = digest
		images = append(images, image)
	}
	recorded := &state.State{Loopback: netip.MustParseAddr("127.0.0.2")}
	got, err := values(recorded, images, false)
	if err != nil {
		t.Fatal(err)
	}
	settings := got["global"].(map[string]any)["image"].(map[string]any)
	if diff := cmp.Diff(want, settings["digests"]); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
	if tag := got["kvm-operator"].(map[string]any)["image"].(map[string]any)["tag"]; tag != "v1" {
		t.Errorf("the kvm-operator has tag %v", tag)
	}
	images[0].Path = t.TempDir()
	if _, err := values(recorded, images, false); err == nil {
		t.Error("an image that is not there has a digest")
	}
}
