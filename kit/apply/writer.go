package apply

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// remembered is how many objects a Writer knows the last write of. One that
// falls out costs a request that changes nothing.
const remembered = 1 << 16

// Writer applies objects as one owner, and only those that differ from what it
// has applied before or that somebody has changed since: most reconciles change
// nothing, and a request that changes nothing is one nevertheless. It is safe
// for concurrent use.
type Writer struct {
	client  client.Client
	owner   client.FieldOwner
	written *lru.Cache
}

// NewWriter makes a Writer that takes fields over from other owners.
func NewWriter(c client.Client, owner client.FieldOwner) *Writer {
	return &Writer{client: c, owner: owner, written: lru.New(remembered)}
}

// target is one object, or the status of one.
type target struct {
	kind   metav1.TypeMeta
	key    types.NamespacedName
	status bool
}

// record is what was applied, and what the object was then.
type record struct {
	desired         [sha256.Size]byte
	uid             types.UID
	generation      int64
	resourceVersion string
}

// Apply writes an object, unless observed shows that it is as it was applied
// last. observed comes from a cache, and is nil for an object that is not there.
func (w *Writer) Apply(ctx context.Context, object runtime.ApplyConfiguration, observed client.Object) error {
	return w.write(object, observed, false, func() error {
		return Objects(ctx, w.client, w.owner, object)
	})
}

// ApplyStatus does the same for an object's status.
func (w *Writer) ApplyStatus(ctx context.Context, object runtime.ApplyConfiguration, observed client.Object) error {
	return w.write(object, observed, true, func() error {
		return Status(ctx, w.client, w.owner, object)
	})
}

func (w *Writer) write(object runtime.ApplyConfiguration, observed client.Object, status bool, request func() error) error {
	encoded, meta, err := encode(object)
	if err != nil {
		return err
	}
	desired, err := digest(encoded, meta)
	if err != nil {
		return fmt.Errorf("digest %s: %w", describe(object), err)
	}
	to := target{
		kind: meta.TypeMeta, key: types.NamespacedName{Namespace: meta.Namespace, Name: meta.Name}, status: status,
	}
	if before, known := w.written.Get(to); known && before.(record).stands(desired, encoded, observed, status) {
		return nil
	}
	if err := request(); err != nil {
		return err
	}
	// The response was decoded into the object.
	_, meta, err = encode(object)
	if err != nil {
		return err
	}
	w.written.Add(to, record{
		desired: desired, uid: meta.UID, generation: meta.Generation, resourceVersion: meta.ResourceVersion,
	})
	return nil
}

// stands reports whether the object still is as it was applied. Others write
// other parts of it, which is no reason to write these: a spec is counted in
// generations, and of metadata and status it is seen whether they still have what
// was applied. Other objects are restored whatever somebody has added to them.
func (r record) stands(desired [sha256.Size]byte, encoded []byte, observed client.Object, status bool) bool {
	if r.desired != desired || absent(observed) || observed.GetUID() != r.uid {
		return false
	}
	switch {
	case observed.GetResourceVersion() == r.resourceVersion:
		return true
	case status:
		return holds(observed, encoded, "status")
	case r.generation > 0:
		return observed.GetGeneration() == r.generation && holds(observed, encoded, "metadata")
	default:
		return false
	}
}

// absent is true of nil, also as a pointer inside the interface.
func absent(object client.Object) bool {
	return object == nil || reflect.ValueOf(object).IsNil()
}

func encode(object runtime.ApplyConfiguration) (encoded []byte, meta metav1.PartialObjectMetadata, err error) {
	encoded, err = json.Marshal(object)
	if err != nil {
		return nil, meta, fmt.Errorf("encode %s: %w", describe(object), err)
	}
	if err := json.Unmarshal(encoded, &meta); err != nil {
		return nil, meta, fmt.Errorf("read metadata of %s: %w", describe(object), err)
	}
	return encoded, meta, nil
}

// digest leaves out the resourceVersion: it is what a write depends on, not what
// it asks for, and another one with every write.
func digest(encoded []byte, meta metav1.PartialObjectMetadata) ([sha256.Size]byte, error) {
	if meta.ResourceVersion == "" {
		return sha256.Sum256(encoded), nil
	}
	object := map[string]any{}
	if err := json.Unmarshal(encoded, &object); err != nil {
		return [sha256.Size]byte{}, err
	}
	unstructured.RemoveNestedField(object, "metadata", "resourceVersion")
	encoded, err := json.Marshal(object)
	return sha256.Sum256(encoded), err
}
