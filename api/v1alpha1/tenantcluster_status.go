package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantClusterStatus is what is there.
type TenantClusterStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// hostedNamespace is the namespace of the control plane, the guests and the child objects.
	// +optional
	HostedNamespace string `json:"hostedNamespace,omitempty"`

	// endpoint is the URL of the API from outside.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// kubeconfigSecretName names the Secret beside this object whose key value is a kubeconfig.
	// +optional
	KubeconfigSecretName string `json:"kubeconfigSecretName,omitempty"`

	// version that the control plane runs.
	// +optional
	Version string `json:"version,omitempty"`

	// workers counts the workers of all pools.
	// +optional
	Workers *WorkerCount `json:"workers,omitempty"`

	// operation is what goes on now; absent when nothing does.
	// +optional
	Operation *Operation `json:"operation,omitempty"`

	// timeline says how long each step took of the operation that goes on or, when none does, of the last one.
	// +optional
	// +listType=map
	// +listMapKey=step
	Timeline []TimelineStep `json:"timeline,omitempty"`

	// residue names objects that a deletion could not remove.
	// +optional
	// +listType=atomic
	Residue []string `json:"residue,omitempty"`

	// conditions: Ready summarises PKIReady, NetworkReady, ControlPlaneReady, AddonsReady, WorkersReady and DNSReady.
	// EtcdReady is False when etcd refuses writes, and ControlPlaneReady is so too; its reason EtcdNearlyFull is a warning.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkerCount counts workers.
type WorkerCount struct {
	// +optional
	Desired int32 `json:"desired"`
	// +optional
	Ready int32 `json:"ready"`
	// summary is READY/DESIRED, for people.
	// +optional
	Summary string `json:"summary,omitempty"`
}

// OperationType is the kind of an operation.
//
// +kubebuilder:validation:Enum=Create;Scale;Update;Delete
type OperationType string

const (
	// OperationCreate lasts from the creation until the TenantCluster is Ready for the first time.
	OperationCreate OperationType = "Create"
	// OperationScale changes the number of workers and nothing else.
	OperationScale OperationType = "Scale"
	// OperationUpdate rolls out any other change of the spec.
	OperationUpdate OperationType = "Update"
	// OperationDelete lasts until nothing is left.
	OperationDelete OperationType = "Delete"
)

// Operation is a change that is being carried out.
type Operation struct {
	// type of the operation.
	Type OperationType `json:"type"`
	// startTime is when it began.
	StartTime metav1.Time `json:"startTime"`
	// blockedBy is the condition or, of a deletion, the stage that is not complete yet.
	// +optional
	BlockedBy string `json:"blockedBy,omitempty"`
	// message names the object that blocks, and says why.
	// +optional
	Message string `json:"message,omitempty"`
}

// TimelineStep is one step of an operation.
type TimelineStep struct {
	// step is the condition that the step made true, or the stage of a deletion.
	Step string `json:"step"`
	// completedAt is when the step was first complete.
	CompletedAt metav1.Time `json:"completedAt"`
	// seconds from the beginning of the operation until then.
	Seconds int64 `json:"seconds"`
}

// Condition types of a TenantCluster.
const (
	ConditionReady             = "Ready"
	ConditionPKIReady          = "PKIReady"
	ConditionNetworkReady      = "NetworkReady"
	ConditionControlPlaneReady = "ControlPlaneReady"
	ConditionEtcdReady         = "EtcdReady"
	ConditionAddonsReady       = "AddonsReady"
	ConditionWorkersReady      = "WorkersReady"
	ConditionDNSReady          = "DNSReady"
)
