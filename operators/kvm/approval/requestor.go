package approval

import (
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"

	"slipway.dev/api/v1alpha1"
)

const (
	nodeUserPrefix = "system:node:"
	nodesGroup     = "system:nodes"
)

// requestor may ask for certificates of a Machine.
type requestor struct {
	user, group string
}

// requestors are the kubelet that has a client certificate already and, before
// that, the holder of the Machine's token. The group tells Slipway's tokens
// from those that others have made in the tenant.
func requestors(machine Machine, byToken bool) []requestor {
	allowed := []requestor{{user: nodeUserPrefix + machine.Name, group: nodesGroup}}
	if byToken && machine.TokenID != "" {
		allowed = append(allowed, requestor{user: bootstrapapi.BootstrapUserPrefix + machine.TokenID, group: v1alpha1.GroupBootstrappers})
	}
	return allowed
}

// MachineName returns the name of the Machine that a request claims to be
// about: that of the node which made it, or of the node which the holder of a
// bootstrap token wants to become. ok is false of requests by others, for
// other signers, and of names that no Machine can have.
func MachineName(request *certificatesv1.CertificateSigningRequestSpec) (name string, ok bool) {
	if _, ok := purposes[request.SignerName]; !ok {
		return "", false
	}
	user := request.Username
	if strings.HasPrefix(user, bootstrapapi.BootstrapUserPrefix) {
		parsed, err := parse(request.Request)
		if err != nil {
			return "", false
		}
		user = parsed.Subject.CommonName
	}
	name, ok = strings.CutPrefix(user, nodeUserPrefix)
	if !ok || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", false
	}
	return name, true
}

func checkRequestor(request *certificatesv1.CertificateSigningRequestSpec, machine Machine, byToken bool) error {
	// MachineName has no empty name, so that an empty one equals nothing.
	if name, ok := MachineName(request); !ok || name != machine.Name {
		return fmt.Errorf("request by %.100q is not about Machine %s", request.Username, machine.Name)
	}
	for _, allowed := range requestors(machine, byToken) {
		if request.Username != allowed.user {
			continue
		}
		if !slices.Contains(request.Groups, allowed.group) {
			return fmt.Errorf("requestor %q is not in group %s", allowed.user, allowed.group)
		}
		return nil
	}
	return fmt.Errorf("requestor %.100q does not speak for Machine %s", request.Username, machine.Name)
}
