package desired

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/controlplane"
	"slipway.dev/operators/cluster/observed"
)

// exposedHosts are the names and addresses at which the API is reached from
// outside, which do not depend on the port.
func exposedHosts(seen *observed.Tenant, config Config) []string {
	switch seen.Cluster.Spec.Exposure.Type {
	case v1alpha1.ExposureNodePort:
		if config.ExposureHost != "" {
			return []string{config.ExposureHost}
		}
	case v1alpha1.ExposureLoadBalancer:
		return ingressHosts(observed.Named(seen.Services, controlplane.APIServer))
	case v1alpha1.ExposureClusterIP:
	}
	return nil
}

// ingressHosts are those of a load balancer, each once: a status may list them
// by port.
func ingressHosts(service *corev1.Service) []string {
	var hosts []string
	if service == nil {
		return nil
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		host := cmp.Or(ingress.IP, ingress.Hostname)
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// endpoint is the URL of the API from outside; empty until it is known.
func endpoint(seen *observed.Tenant, t controlplane.Tenant, config Config) string {
	service := observed.Named(seen.Services, controlplane.APIServer)
	host, port := t.ServiceHost(controlplane.APIServer), int32(v1alpha1.APIServerPort)
	switch {
	case service == nil:
		return ""
	case t.Spec.Exposure.Type == v1alpha1.ExposureLoadBalancer:
		hosts := ingressHosts(service)
		if len(hosts) == 0 {
			return ""
		}
		host = hosts[0]
	case t.Spec.Exposure.Type == v1alpha1.ExposureNodePort && config.ExposureHost != "":
		if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].NodePort == 0 {
			return ""
		}
		host, port = config.ExposureHost, service.Spec.Ports[0].NodePort
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}
