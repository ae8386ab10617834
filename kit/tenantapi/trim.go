package tenantapi

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
)

// maxKept bounds what is kept of one object, in bytes of JSON. Even a name can be
// long if it is not Kubernetes that serves it.
const maxKept = 16 << 10

// trimmed is an informer whose counter knows what it keeps of an object.
type trimmed struct {
	toolscache.SharedIndexInformer
	counter *counter
}

// SetTransform is called before the informer is started.
func (i trimmed) SetTransform(transform toolscache.TransformFunc) error {
	i.counter.transform = transform
	return i.SharedIndexInformer.SetTransform(transform)
}

// trim returns what is kept of an object, and an error if that is too much.
func (c *counter) trim(object runtime.Object) (runtime.Object, error) {
	if c.transform != nil {
		kept, err := c.transform(object)
		if err != nil {
			return nil, err
		}
		is := false
		if object, is = kept.(runtime.Object); !is {
			return nil, fmt.Errorf("%T is kept, which is no object", kept)
		}
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	if len(encoded) > maxKept {
		return nil, fmt.Errorf("an object of more than %d bytes", maxKept)
	}
	return object, nil
}
