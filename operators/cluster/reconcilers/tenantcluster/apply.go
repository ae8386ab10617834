package tenantcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
	"slipway.dev/kit/conditions"
	"slipway.dev/operators/cluster/desired"
	"slipway.dev/operators/cluster/observed"
	"slipway.dev/operators/cluster/report"
)

// apply writes the desired objects and prunes the others. The observed objects get
// the generations that they have now, so that what their status says of an older
// one does not count. updated reports whether something else was changed than
// numbers of workers. An object that is refused does not keep others from being
// written, but nothing is pruned: the replacement of what would be may be missing.
func (r *Reconciler) apply(ctx context.Context, wanted *desired.State) (updated bool, refusals []report.Refusal, err error) {
	for _, object := range wanted.Objects {
		err := r.write(ctx, object)
		if refused(err) {
			refusals = append(refusals, report.Refusal{Object: object, Err: err})
			continue
		}
		if err != nil {
			return updated, nil, err
		}
		changed, err := advance(object)
		if err != nil {
			return updated, nil, err
		}
		updated = updated || changed
	}
	if len(refusals) > 0 {
		return updated, refusals, nil
	}
	unwanted := make([]client.Object, len(wanted.Unwanted))
	for n, object := range wanted.Unwanted {
		unwanted[n] = object
	}
	err = apply.Prune(ctx, r.client, unwanted, sets.New[string]())
	if refused(err) {
		return updated, []report.Refusal{{Err: err}}, nil
	}
	return updated, nil, err
}

func (r *Reconciler) write(ctx context.Context, object desired.Object) error {
	if object.Handover != nil {
		if err := apply.Objects(ctx, r.client, handoverOwner, object.Handover); err != nil {
			return err
		}
	}
	return r.writer.Apply(ctx, object.Desired, object.Observed)
}

// advance sets the generation that the observed object has after it was written,
// and reports whether anything but a number of workers was changed.
func advance(object desired.Object) (updated bool, err error) {
	if object.Observed == nil || object.Observed.GetGeneration() == 0 {
		return false, nil
	}
	written, err := generation(object.Desired)
	if err != nil || written <= object.Observed.GetGeneration() {
		return false, err
	}
	object.Observed.SetGeneration(written)
	pool, isPool := object.Observed.(*v1alpha1.NodePool)
	applied, _ := object.Desired.(*slipwayac.NodePoolApplyConfiguration)
	if !isPool || applied == nil {
		return true, nil
	}
	return templateDiffers(pool, applied)
}

// templateDiffers compares what a pool's workers are made of with what the API
// server has answered.
func templateDiffers(before *v1alpha1.NodePool, applied *slipwayac.NodePoolApplyConfiguration) (bool, error) {
	encoded, err := json.Marshal(applied.Spec.Template)
	if err != nil {
		return false, fmt.Errorf("encode template of NodePool %s: %w", before.Name, err)
	}
	after := v1alpha1.MachineSpec{}
	if err := json.Unmarshal(encoded, &after); err != nil {
		return false, fmt.Errorf("decode template of NodePool %s: %w", before.Name, err)
	}
	return !equality.Semantic.DeepEqual(before.Spec.Template, after), nil
}

// generation that the API server has answered with; 0 when nothing was written,
// because the object already was as desired.
func generation(object runtime.ApplyConfiguration) (int64, error) {
	encoded, err := json.Marshal(object)
	if err != nil {
		return 0, fmt.Errorf("encode %T: %w", object, err)
	}
	metadata := metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(encoded, &metadata); err != nil {
		return 0, fmt.Errorf("read metadata of %T: %w", object, err)
	}
	return metadata.Generation, nil
}

// resize raises the CPU requests of pods that start, and lowers those of pods
// that run. It returns when time alone changes that. What is refused is only
// logged: the start is slower.
func (r *Reconciler) resize(ctx context.Context, seen *observed.Tenant) (time.Duration, error) {
	resizes, next := desired.Resizes(seen, r.config, r.clock.Now())
	for _, resize := range resizes {
		err := apply.Resize(ctx, r.client, owner, resize)
		if refused(err) {
			log.FromContext(ctx).Info("Pod not resized", "reason", conditions.FirstLine(err.Error()))
		} else if err != nil {
			return 0, err
		}
	}
	return next, nil
}
