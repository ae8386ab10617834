package image_test

import (
	"strings"
	"testing"

	"slipway.dev/kit/image"
)

var digest = "sha256:" + strings.Repeat("0f", 32)

func TestReference(t *testing.T) {
	var digests image.Digests
	got, err := digests.Reference("registry.example.com/mirror", "etcd:v3.7.3")
	if want := "registry.example.com/mirror/etcd:v3.7.3"; got != want || err != nil {
		t.Errorf("without digests: %q, %v; want %q", got, err, want)
	}
	// The same twice is no contradiction.
	for range 2 {
		if err := digests.Add("etcd:v3.7.3@" + digest); err != nil {
			t.Fatal(err)
		}
	}
	got, err = digests.Reference("registry.example.com/mirror", "etcd:v3.7.3")
	if want := "registry.example.com/mirror/etcd:v3.7.3@" + digest; got != want || err != nil {
		t.Errorf("with a digest: %q, %v; want %q", got, err, want)
	}
	for _, other := range []string{"etcd:v3.7.4", "guest:v3.7.3"} {
		if got, err := digests.Reference("registry.example.com", other); got != "" || err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("%s, which has none, is %q, %v", other, got, err)
		}
	}
}

func TestAdd(t *testing.T) {
	for name, test := range map[string]struct{ text, refused string }{
		"name and tag":           {"guest:v1.36.3@" + digest, ""},
		"path":                   {"slipway/network-agent:0123456789abcdef@" + digest, ""},
		"nothing":                {"", "write NAME:TAG@sha256:DIGEST"},
		"without a digest":       {"guest:v1.36.3", "write NAME:TAG@sha256:DIGEST"},
		"without a tag":          {"guest@" + digest, "write NAME:TAG@sha256:DIGEST"},
		"short digest":           {"guest:v1.36.3@" + digest[:70], "64 hexadecimal digits"},
		"long digest":            {"guest:v1.36.3@" + digest + "0", "64 hexadecimal digits"},
		"digest in upper case":   {"guest:v1.36.3@" + strings.ToUpper(digest), "lower case"},
		"registry with a port":   {"registry.example.com:5000/guest:v1.36.3@" + digest, "without a registry"},
		"name in upper case":     {"Guest:v1.36.3@" + digest, "write NAME:TAG"},
		"another digest of same": {"etcd:v3.7.3@sha256:" + strings.Repeat("ab", 32), "etcd:v3.7.3 has another digest already, " + digest},
	} {
		t.Run(name, func(t *testing.T) {
			digests := image.Digests{"etcd:v3.7.3": digest}
			err := digests.Add(test.text)
			if test.refused == "" && (err != nil || len(digests) != 2) {
				t.Errorf("%v, %v", digests, err)
			}
			if test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("%v, want %q", err, test.refused)
			}
		})
	}
}
