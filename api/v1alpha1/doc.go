// Package v1alpha1 holds the custom resources of Slipway, API group slipway.dev.
//
// A user writes TenantCluster and nothing else; the other kinds are how the
// operators tell each other what is wanted and what is there.
//
// +kubebuilder:object:generate=true
// +groupName=slipway.dev
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=../applyconfiguration
package v1alpha1
