package tenantcluster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipwayac "slipway.dev/api/applyconfiguration/api/v1alpha1"
	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/apply"
)

// writer applies objects, and remembers what it has applied: a tenant that
// comes up causes some hundred reconciles of thirty objects each, and all but a
// few of those requests would change nothing.
type writer struct {
	mu      sync.Mutex
	written map[objectKey]record
}

// objectKey names an object; tenant is the hosted namespace, also of objects elsewhere.
type objectKey struct {
	tenant, kind, namespace, name string
}

// record is what was applied, and what the object was then.
type record struct {
	desired         [sha256.Size]byte
	uid             types.UID
	generation      int64
	resourceVersion string
}

// current tells whether an object is still as it was applied. Objects whose
// spec is counted in generations may have changed otherwise, in their status.
func (r record) current(observed client.Object) bool {
	if observed == nil || observed.GetUID() != r.uid {
		return false
	}
	if r.generation > 0 {
		return observed.GetGeneration() <= r.generation
	}
	return observed.GetResourceVersion() == r.resourceVersion
}

// apply writes an object, unless it was written before and nobody has changed
// it since. index holds what is observed, by kind and name.
func (w *writer) apply(ctx context.Context, c client.Client, tenant string, object runtime.ApplyConfiguration, index map[string]client.Object) error {
	encoded, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode object: %w", err)
	}
	meta, err := decodeMetadata(encoded)
	if err != nil {
		return err
	}
	key := objectKey{tenant: tenant, kind: meta.Kind, namespace: meta.Namespace, name: meta.Name}
	desired := sha256.Sum256(encoded)
	w.mu.Lock()
	before, known := w.written[key]
	w.mu.Unlock()
	if known && before.desired == desired && before.current(index[indexKey(meta.Kind, meta.Name)]) {
		return nil
	}
	if err := apply.Objects(ctx, c, owner, object); err != nil {
		return err
	}
	// The response was decoded into the object.
	if encoded, err = json.Marshal(object); err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	if meta, err = decodeMetadata(encoded); err != nil {
		return err
	}
	w.remember(key, record{desired: desired, uid: meta.UID, generation: meta.Generation, resourceVersion: meta.ResourceVersion})
	return nil
}

// statusUnchanged tells whether the status is what was written last, and
// otherwise gives a function that remembers it as written.
func (w *writer) statusUnchanged(cluster *v1alpha1.TenantCluster, status *slipwayac.TenantClusterStatusApplyConfiguration) (bool, func(), error) {
	encoded, err := json.Marshal(status)
	if err != nil {
		return false, nil, fmt.Errorf("encode status: %w", err)
	}
	key := objectKey{
		tenant: v1alpha1.HostedNamespace(cluster.Namespace, cluster.Name),
		kind:   "TenantCluster/status", namespace: cluster.Namespace, name: cluster.Name,
	}
	written := record{desired: sha256.Sum256(encoded), uid: cluster.UID}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[key] == written, func() { w.remember(key, written) }, nil
}

func (w *writer) remember(key objectKey, written record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.written == nil {
		w.written = map[objectKey]record{}
	}
	w.written[key] = written
}

// forget drops all records of a tenant.
func (w *writer) forget(tenant string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.written {
		if key.tenant == tenant {
			delete(w.written, key)
		}
	}
}

func decodeMetadata(encoded []byte) (*metav1.PartialObjectMetadata, error) {
	meta := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(encoded, meta); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	return meta, nil
}

func indexKey(kind, name string) string {
	return kind + "/" + name
}
