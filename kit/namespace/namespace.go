// Package namespace reads Namespaces, of which only the metadata count: who a
// namespace belongs to is in its labels and annotations.
package namespace

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Metadata is an empty Namespace that clients, watches and caches handle as
// metadata alone.
func Metadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// Get returns the metadata of a Namespace; nil where there is none.
func Get(ctx context.Context, reader client.Reader, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := Metadata()
	err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get Namespace %s: %w", name, err)
	}
	if err != nil {
		return nil, nil
	}
	return namespace, nil
}
