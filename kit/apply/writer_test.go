package apply_test

import (
	"context"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/kit/apply"
	"slipway.dev/kit/testenv"
)

const owner client.FieldOwner = "test"

// counting makes a client, and counts what it has the API server write.
func counting(t *testing.T) (c client.Client, writes *int) {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	live, err := client.NewWithWatch(testenv.Start(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	writes = new(int)
	return interceptor.NewClient(live, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			*writes++
			return c.Apply(ctx, object, options...)
		},
		SubResourceApply: func(ctx context.Context, c client.Client, subResource string, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
			*writes++
			return c.SubResource(subResource).Apply(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			*writes++
			return c.Patch(ctx, object, patch, options...)
		},
	}), writes
}

func get[T client.Object](t *testing.T, c client.Client, name string, object T) T {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestWriterWritesOnlyWhatDiffers(t *testing.T) {
	c, writes := counting(t)
	writer := apply.NewWriter(c, owner)
	text := "first"
	step := func(what string, observed client.Object, want int) {
		t.Helper()
		*writes = 0
		wanted := corev1ac.ConfigMap("a", "default").WithData(map[string]string{"key": text})
		if err := writer.Apply(t.Context(), wanted, observed); err != nil {
			t.Fatal(err)
		}
		if *writes != want {
			t.Errorf("%s: %d writes, want %d", what, *writes, want)
		}
		if got := get(t, c, "a", &corev1.ConfigMap{}).Data["key"]; got != text {
			t.Errorf("%s: the object has %q, want %q", what, got, text)
		}
	}
	current := func() client.Object { return get(t, c, "a", &corev1.ConfigMap{}) }

	step("new object", nil, 1)
	step("unchanged", current(), 0)
	text = "second"
	step("other contents", current(), 1)
	step("unchanged again", current(), 0)

	foreign := get(t, c, "a", &corev1.ConfigMap{})
	foreign.Data["key"] = "foreign"
	if err := c.Update(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	step("changed by somebody else", current(), 1)

	old := current()
	if err := c.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	var none *corev1.ConfigMap
	step("deleted", none, 1)
	step("the cache still has the one before", old, 1)
}

// A resourceVersion makes a write depend on what was read, and is no reason for one.
func TestWriterKeepsThePrecondition(t *testing.T) {
	c, writes := counting(t)
	writer := apply.NewWriter(c, owner)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	write := func(observed *corev1.ConfigMap, text string) error {
		return writer.Apply(t.Context(), corev1ac.ConfigMap("a", "default").
			WithResourceVersion(observed.ResourceVersion).WithData(map[string]string{"key": text}), observed)
	}
	for range 2 {
		if err := write(get(t, c, "a", &corev1.ConfigMap{}), "first"); err != nil {
			t.Fatal(err)
		}
	}
	if *writes != 1 {
		t.Errorf("%d writes, want 1", *writes)
	}
	if err := write(object, "second"); !apierrors.IsConflict(err) {
		t.Errorf("writing what was decided on an older object: %v, want a conflict", err)
	}
}

func TestWriterLeavesASpecAloneWhenTheStatusChanges(t *testing.T) {
	c, writes := counting(t)
	writer := apply.NewWriter(c, owner)
	spec := func() *corev1ac.PodApplyConfiguration {
		return corev1ac.Pod("p", "default").WithSpec(corev1ac.PodSpec().
			WithContainers(corev1ac.Container().WithName("c").WithImage("i")))
	}
	status := func(reason string) *corev1ac.PodApplyConfiguration {
		return corev1ac.Pod("p", "default").WithStatus(corev1ac.PodStatus().WithReason(reason))
	}
	if err := writer.Apply(t.Context(), spec(), nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what string
		do   func(observed *corev1.Pod) error
		want int
	}{
		{"status", func(p *corev1.Pod) error { return writer.ApplyStatus(t.Context(), status("A"), p) }, 1},
		{"spec after its status", func(p *corev1.Pod) error { return writer.Apply(t.Context(), spec(), p) }, 0},
		{"same status", func(p *corev1.Pod) error { return writer.ApplyStatus(t.Context(), status("A"), p) }, 0},
		{"other status", func(p *corev1.Pod) error { return writer.ApplyStatus(t.Context(), status("B"), p) }, 1},
	} {
		before := *writes
		if err := step.do(get(t, c, "p", &corev1.Pod{})); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if got := *writes - before; got != step.want {
			t.Errorf("%s: %d writes, want %d", step.what, got, step.want)
		}
	}
	// Somebody else wiped it.
	pod := get(t, c, "p", &corev1.Pod{})
	pod.Status.Reason = ""
	if err := c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if err := writer.ApplyStatus(t.Context(), status("B"), pod); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, "p", &corev1.Pod{}).Status.Reason; got != "B" {
		t.Errorf("status has reason %q after somebody else changed it, want B", got)
	}
}

// Several owners share a status: what one writes is no reason for the other to write again.
func TestWriterSharesAStatus(t *testing.T) {
	c, writes := counting(t)
	if err := c.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shared"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}); err != nil {
		t.Fatal(err)
	}
	one, other := apply.NewWriter(c, owner), apply.NewWriter(c, "other")
	step := func(what string, writer *apply.Writer, conditionType, message string, want int) {
		t.Helper()
		*writes = 0
		condition := corev1ac.PodCondition().WithType(corev1.PodConditionType(conditionType)).WithStatus(corev1.ConditionTrue).WithMessage(message)
		status := corev1ac.Pod("shared", "default").WithStatus(corev1ac.PodStatus().WithConditions(condition))
		if err := writer.ApplyStatus(t.Context(), status, get(t, c, "shared", &corev1.Pod{})); err != nil {
			t.Fatal(err)
		}
		if *writes != want {
			t.Errorf("%s: %d writes, want %d", what, *writes, want)
		}
	}
	step("the first owner", one, "A", "", 1)
	step("the second owner", other, "B", "first", 1)
	step("the first one has nothing new", one, "A", "", 0)
	step("the second one has", other, "B", "second", 1)
	step("the first one still has nothing new", one, "A", "", 0)

	pod := get(t, c, "shared", &corev1.Pod{})
	for n := range pod.Status.Conditions {
		pod.Status.Conditions[n].Status = corev1.ConditionFalse
	}
	if err := c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	step("somebody else changed the first one's", one, "A", "", 1)
}

// What is written into the metadata is restored, too, though no generation counts it.
func TestWriterRestoresMetadata(t *testing.T) {
	c, writes := counting(t)
	writer := apply.NewWriter(c, owner)
	wanted := func() *corev1ac.PodApplyConfiguration {
		return corev1ac.Pod("labelled", "default").WithAnnotations(map[string]string{"mine": "a"}).
			WithSpec(corev1ac.PodSpec().WithContainers(corev1ac.Container().WithName("c").WithImage("i")))
	}
	if err := writer.Apply(t.Context(), wanted(), nil); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		annotations map[string]string
		want        int
	}{
		"others' are left alone": {map[string]string{"mine": "a", "others": "b"}, 0},
		"one was changed":        {map[string]string{"mine": "b"}, 1},
		"one was removed":        {nil, 1},
	} {
		pod := get(t, c, "labelled", &corev1.Pod{})
		pod.Annotations = test.annotations
		if err := c.Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		*writes = 0
		if err := writer.Apply(t.Context(), wanted(), pod); err != nil {
			t.Fatal(err)
		}
		if *writes != test.want {
			t.Errorf("%s: %d writes, want %d", what, *writes, test.want)
		}
		if got := get(t, c, "labelled", &corev1.Pod{}).Annotations["mine"]; got != "a" {
			t.Errorf("%s: the annotation is %q, want a", what, got)
		}
	}
}
