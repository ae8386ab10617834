package controlplane

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// Deployment runs a component of which one replica works at a time: those that
// talk to nothing but the API server, which they find without DNS.
func (t Tenant) Deployment(pod Pod) *appsv1ac.DeploymentApplyConfiguration {
	pod.Hosts = map[string]string{t.ServiceHost(APIServer): t.APIServerClusterIP}
	return appsv1ac.Deployment(pod.Component, t.HostedNamespace).
		WithLabels(t.Labels(pod.Component)).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(t.Spec.ControlPlane.Replicas).
			// A single replica holds no lease, so two must never run side by side.
			WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RecreateDeploymentStrategyType)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(t.Selector(pod.Component))).
			WithTemplate(t.Template(pod)))
}

// LeaderElection is the argument by which the replicas of a Deployment agree on
// the one that works. A sole one does without, and starts without waiting for a lease.
func (t Tenant) LeaderElection() string {
	return "--leader-elect=" + strconv.FormatBool(t.Spec.ControlPlane.Replicas > 1)
}
