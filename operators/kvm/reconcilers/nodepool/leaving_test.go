package nodepool_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/kvm/virtualmachine"
)

// testLeaving holds Machines that are deleted, as a drain does.
func (e environment) testLeaving(t *testing.T) {
	key := e.pool(t, "leaving", 2)
	e.mustReconcile(t, key)
	held := map[string]*v1alpha1.Machine{}
	hold := func() {
		t.Helper()
		for _, name := range e.machines(t, key.Namespace) {
			if held[name] == nil {
				held[name] = e.hold(t, key.Namespace, name)
				e.setReady(t, key.Namespace, name)
			}
		}
		e.mustReconcile(t, key)
		e.mustReconcile(t, key) // and sees what it did
	}
	isReady := func() {
		t.Helper()
		e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionTrue, Reason: "Ready"})
	}
	// goes is the Machine that is being deleted and still counts.
	goes := func() string {
		t.Helper()
		for name := range held {
			machine := &v1alpha1.Machine{}
			if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: name}, machine); err != nil {
				t.Fatal(err)
			}
			if machine.DeletionTimestamp != nil {
				return name
			}
		}
		t.Fatal("no Machine is being deleted")
		return ""
	}
	leaves := func(name string) {
		t.Helper()
		e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "Removing", Message: "Machine " + name})
		e.letGo(t, held[name])
		delete(held, name)
		e.mustReconcile(t, key)
		isReady()
	}
	hold()
	isReady()

	t.Log("fewer are wanted")
	e.change(t, key, func(pool *v1alpha1.NodePool) { pool.Spec.Replicas = new(int32(1)) })
	hold()
	leaves(goes())

	t.Log("another template is wanted")
	e.change(t, key, func(pool *v1alpha1.NodePool) { pool.Spec.Template.Machine.Cores = 2 })
	hold() // the old one goes when the new one is ready
	hold()
	leaves(goes())

	t.Log("somebody deletes one, and another takes its place")
	for name := range held {
		machine := &v1alpha1.Machine{}
		machine.Namespace, machine.Name = key.Namespace, name
		if err := e.client.Delete(t.Context(), machine); err != nil {
			t.Fatal(err)
		}
	}
	hold()
	hold()
	goes()
	isReady()
}

// testEmptied empties management nodes: of a pool that is made smaller at the same
// time, a Machine that leaves is one too many; of others, another takes its place.
func (e environment) testEmptied(t *testing.T) {
	key := e.pool(t, "emptied", 2)
	e.mustReconcile(t, key)
	held := map[string]*v1alpha1.Machine{}
	names := e.machines(t, key.Namespace)
	for _, name := range names {
		held[name] = e.hold(t, key.Namespace, name)
		e.setReady(t, key.Namespace, name)
	}
	e.mustReconcile(t, key)
	empty := func(name string) {
		e.setCondition(t, key.Namespace, name, metav1.Condition{
			Type: v1alpha1.ConditionGuestRunning, Status: metav1.ConditionTrue, Reason: virtualmachine.ReasonEvacuating,
		})
	}
	leaves := func(name string) {
		t.Helper()
		e.mustReconcile(t, key)
		e.mustReconcile(t, key) // and sees what it did
		machine := &v1alpha1.Machine{}
		if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: name}, machine); err != nil || machine.DeletionTimestamp == nil {
			t.Fatalf("Machine %s is not deleted: %v", name, err)
		}
	}
	empty(names[0])
	e.change(t, key, func(pool *v1alpha1.NodePool) { pool.Spec.Replicas = new(int32(1)) })
	leaves(names[0])
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionFalse, Reason: "Removing", Message: "Machine " + names[0]})

	t.Log("the next one is replaced when this one is gone")
	empty(names[1])
	e.mustReconcile(t, key)
	e.mustHaveReady(t, key, metav1.Condition{
		Status: metav1.ConditionFalse, Reason: "Replacing", Message: "Machine " + names[1] + " is to be replaced; Machine " + names[0],
	})
	e.letGo(t, held[names[0]])
	e.mustReconcile(t, key)
	for _, name := range e.machines(t, key.Namespace) {
		e.setReady(t, key.Namespace, name)
	}
	leaves(names[1])
	e.mustHaveReady(t, key, metav1.Condition{Status: metav1.ConditionTrue, Reason: "Ready"})
}

// hold keeps a Machine from going when it is deleted.
func (e environment) hold(t *testing.T, namespace, name string) *v1alpha1.Machine {
	t.Helper()
	machine := &v1alpha1.Machine{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, machine); err != nil {
		t.Fatal(err)
	}
	return e.setFinalizers(t, machine, "slipway.dev/test")
}

func (e environment) letGo(t *testing.T, machine *v1alpha1.Machine) {
	t.Helper()
	e.setFinalizers(t, machine)
}

func (e environment) setFinalizers(t *testing.T, machine *v1alpha1.Machine, finalizers ...string) *v1alpha1.Machine {
	t.Helper()
	changed := machine.DeepCopy()
	changed.Finalizers = finalizers
	if err := e.client.Patch(t.Context(), changed, client.MergeFrom(machine)); err != nil {
		t.Fatal(err)
	}
	return changed
}
