package addons

import (
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/sandbox/build"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
)

func TestSelected(t *testing.T) {
	names := func(addons []Addon) []string {
		var list []string
		for _, a := range addons {
			list = append(list, a.Name)
		}
		return list
	}
	if got := len(Selected(nil)); got != len(All()) {
		t.Errorf("%d add-ons by default, not %d", got, len(All()))
	}
	want := []string{"services", "cluster DNS", "local-storage", "cert-manager"}
	if diff := cmp.Diff(want, names(Selected([]string{"cert-manager"}))); diff != "" {
		t.Errorf("selected (-want +got):\n%s", diff)
	}
	if err := Check([]string{"kubevirt", "services"}); err == nil {
		t.Error("an add-on that cannot be left out can be chosen")
	}
}

// Every manifest renders to objects with a kind and a name, and every image
// that is built for an add-on is one that exists.
func TestManifests(t *testing.T) {
	builder, err := build.New(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p, err := layout.New("demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	installer := &Installer{builder: builder, values: Values{
		Layout: p, Credentials: credentials.Set{CACertificate: []byte("line 1\nline 2\n"), TSIGSecret: "c2VjcmV0"},
	}}
	known := build.ImageNames()
	for _, a := range All() {
		objects, err := installer.objects(t.Context(), a)
		if err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		if len(objects) == 0 {
			t.Errorf("%s has no objects", a.Name)
		}
		for _, o := range objects {
			if o.GetKind() == "" || o.GetName() == "" || o.GetAPIVersion() == "" {
				t.Errorf("%s: incomplete object %v", a.Name, o.Object)
			}
		}
		for image := range maps.Keys(a.images) {
			if !slices.Contains(known, image) {
				t.Errorf("%s uses image %s, which is not built", a.Name, image)
			}
		}
		for _, w := range a.ready {
			if _, ok := kinds[w.kind]; !ok {
				t.Errorf("%s waits for a %s", a.Name, w.kind)
			}
		}
	}
}

func TestRegistrySecret(t *testing.T) {
	d := data{Values: Values{Credentials: credentials.Set{CACertificate: []byte("line 1\nline 2\n"), Password: "secret"}}}
	want := map[string]string{
		"host": "registry.slipway.internal", "endpoint": "https://172.30.0.1:5001",
		"username": "pull", "password": d.Credentials.PullPassword(), "ca.crt": "line 1\nline 2\n",
	}
	if diff := cmp.Diff(want, d.Registry()); diff != "" {
		t.Errorf("registry (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"username": "slipway", "password": "secret"}, d.RegistryPush()); diff != "" {
		t.Errorf("who may push (-want +got):\n%s", diff)
	}
}
