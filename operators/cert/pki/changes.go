package pki

import (
	"encoding/json"
	"fmt"
	"maps"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Changes are the desired objects that are not there as desired. While
// cert-manager works, each of its steps wakes the operator; without this every
// one of them would cost a request per object.
func Changes(desired Desired, observed Observed) (Desired, error) {
	var changes Desired
	issuers, certificates := byName(observed.Issuers), byName(observed.Certificates)
	for _, d := range desired.Issuers {
		same, err := fulfils(d, issuers[*d.GetName()], func(i *cmv1.Issuer) any { return i.Spec })
		if err != nil {
			return Desired{}, err
		}
		if !same {
			changes.Issuers = append(changes.Issuers, d)
		}
	}
	for _, d := range desired.Certificates {
		same, err := fulfils(d, certificates[*d.GetName()], func(c *cmv1.Certificate) any { return c.Spec })
		if err != nil {
			return Desired{}, err
		}
		if !same {
			changes.Certificates = append(changes.Certificates, d)
		}
	}
	return changes, nil
}

// fulfils says whether an object has the spec, labels and owner of a desired
// one. Where it errs, by a default that the API server adds, the object is
// applied once more than needed.
func fulfils[T any, P interface {
	*T
	metav1.Object
}](desired runtime.ApplyConfiguration, observed P, spec func(P) any) (bool, error) {
	if observed == nil {
		return false, nil
	}
	text, err := json.Marshal(desired)
	if err != nil {
		return false, fmt.Errorf("encode desired object: %w", err)
	}
	wanted := P(new(T))
	if err := json.Unmarshal(text, wanted); err != nil {
		return false, fmt.Errorf("decode desired object: %w", err)
	}
	labels := maps.Clone(observed.GetLabels())
	maps.Copy(labels, wanted.GetLabels())
	return observed.GetDeletionTimestamp() == nil &&
		equality.Semantic.DeepEqual(spec(wanted), spec(observed)) &&
		maps.Equal(labels, observed.GetLabels()) &&
		equality.Semantic.DeepEqual(wanted.GetOwnerReferences(), observed.GetOwnerReferences()), nil
}
