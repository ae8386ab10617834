package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TenantClusterStatus is how far a cluster is.
type TenantClusterStatus struct {
	// observedGeneration is the metadata.generation that this status is about. While it is smaller than that of the
	// object, the last change of spec has not been looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// hostedNamespace is the namespace of the management cluster in which the cluster's control plane and workers run.
	// Teams have no access to it.
	// +optional
	HostedNamespace string `json:"hostedNamespace,omitempty"`

	// endpoint is the URL of the cluster's API, as the kubeconfig has it; absent until there is an address. What it is
	// depends on spec.exposure.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// kubeconfigSecretName is a Secret in the namespace of this object. Its key value holds a kubeconfig with all rights
	// in the cluster. The kubeconfig is renewed in place, and a copy of it works for at least 30 days.
	// +optional
	KubeconfigSecretName string `json:"kubeconfigSecretName,omitempty"`

	// version of Kubernetes that all API servers run. During an upgrade it is still the version before.
	// +optional
	Version string `json:"version,omitempty"`

	// workers counts the workers of all pools together.
	// +optional
	Workers *WorkerCount `json:"workers,omitempty"`

	// operation is the change that is being carried out; absent when there is none. A fault of a cluster that was
	// complete is no operation: conditions report it.
	// +optional
	Operation *Operation `json:"operation,omitempty"`

	// timeline says how long the steps took of the operation that is being carried out or, when there is none, of the
	// last one.
	// +optional
	// +listType=map
	// +listMapKey=step
	Timeline []TimelineStep `json:"timeline,omitempty"`

	// residue are objects that a deletion could not remove in time and has left behind. Somebody has to look after them
	// by hand.
	// +optional
	// +listType=atomic
	Residue []string `json:"residue,omitempty"`

	// conditions say which parts of the cluster work. Ready is True when all of these are, for the spec as it is now:
	// PKIReady (certificates are issued), NetworkReady (the cluster's network is there), ControlPlaneReady (all pods of
	// the control plane run and the API answers), AddonsReady (cluster DNS, and the permissions that workers need),
	// WorkersReady (as many workers are Ready as are asked for) and DNSReady (the cluster's names are served, or it has
	// none). EtcdReady is False when etcd takes no writes, which makes ControlPlaneReady False too; with the reason
	// EtcdNearlyFull it is a warning. The message of a condition that is not True names what blocks it.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkerCount counts workers.
type WorkerCount struct {
	// desired is the number of workers that spec.nodePools ask for.
	// +optional
	Desired int32 `json:"desired"`
	// ready is the number of workers whose Node is Ready.
	// +optional
	Ready int32 `json:"ready"`
	// summary is READY/DESIRED, for example 2/3, for kubectl get.
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
	// type is Create until the cluster is Ready for the first time, Scale for a change of the number of workers and
	// nothing else, Update for any other change, and Delete until nothing is left.
	Type OperationType `json:"type"`
	// startTime is when the operation began.
	StartTime metav1.Time `json:"startTime"`
	// blockedBy is the condition that is not True yet or, of a deletion, the stage that is not complete.
	// +optional
	BlockedBy string `json:"blockedBy,omitempty"`
	// message names the object that blocks the operation, and says why.
	// +optional
	Message string `json:"message,omitempty"`
}

// TimelineStep is one step of an operation.
type TimelineStep struct {
	// step is the condition that became True or, of a deletion, the stage that was completed.
	Step string `json:"step"`
	// completedAt is when the step was complete for the first time.
	CompletedAt metav1.Time `json:"completedAt"`
	// seconds from the beginning of the operation until then.
	Seconds int64 `json:"seconds"`
}

// Condition types of a TenantCluster. ConditionReady is that of its children too.
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
