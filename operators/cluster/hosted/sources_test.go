package hosted

import (
	"bytes"
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/testenv"
)

// countingReader counts what is read of Secrets beside their metadata.
type countingReader struct {
	client.Reader
	contents int
}

func (r *countingReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if _, whole := object.(*corev1.Secret); whole {
		r.contents++
	}
	return r.Reader.Get(ctx, key, object, options...)
}

// The owner of a Secret chooses its size, and may have it read no more often than it changes.
func TestRegistrySourcesAreReadWhereTheyAreOfUse(t *testing.T) {
	c := testenv.Client(t, testenv.Start(t), testenv.Scheme(t, corev1.AddToScheme))
	live := &countingReader{Reader: c}
	reader := NewReader(c, live)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mirror"}}
	update := func(change func()) {
		t.Helper()
		change()
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	// first and again are how often the contents are read, the second time with nothing changed.
	step := func(what string, first, again int, found, contents bool) {
		t.Helper()
		for _, want := range []int{first, again} {
			live.contents = 0
			sources, err := reader.registrySources(t.Context(), "default", []string{"mirror"})
			if err != nil {
				t.Fatal(err)
			}
			source := sources["mirror"].Secret
			if live.contents != want {
				t.Errorf("%s: read %d times, want %d", what, live.contents, want)
			}
			if (source != nil) != found || (source != nil && source.Data != nil) != contents {
				t.Errorf("%s: found %v", what, source)
			}
		}
	}
	step("not there", 1, 1, false, false)
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	step("not shared", 0, 0, true, false)
	update(func() {
		secret.Labels = map[string]string{v1alpha1.LabelShareWithWorkers: "true"}
		secret.Data = map[string][]byte{"ca.crt": bytes.Repeat([]byte("x"), 1<<17)}
	})
	step("too large", 1, 0, true, false)
	update(func() { secret.Data["other"] = []byte("x") })
	step("too large after a change", 1, 0, true, false)
	update(func() { secret.Data = map[string][]byte{"ca.crt": []byte("pem")} })
	step("good", 1, 1, true, true)
}
