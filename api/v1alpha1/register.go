package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "slipway.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated code expects.
var SchemeGroupVersion = GroupVersion

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme registers every kind of this package.
var AddToScheme = schemeBuilder.AddToScheme

// Resource returns the group resource of an unqualified resource name.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&TenantCluster{}, &TenantClusterList{},
		&TenantPKI{}, &TenantPKIList{},
		&TenantNetwork{}, &TenantNetworkList{},
		&TenantDNS{}, &TenantDNSList{},
		&NodePool{}, &NodePoolList{},
		&Machine{}, &MachineList{},
		&NetworkPort{}, &NetworkPortList{},
		&VirtualNetworkID{}, &VirtualNetworkIDList{},
		&HostNetwork{}, &HostNetworkList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
