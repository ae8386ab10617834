package bootstrap

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/api/v1alpha1"
)

// ErrInvalidSpec is wrapped by the errors of machines that cannot be made: only
// another specification helps. Their messages are fit to be shown.
var ErrInvalidSpec = errors.New("invalid specification")

var (
	registryHost = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]+)?$`)
	taintEffects = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	// ownDomains have labels which a kubelet may not set, or which Slipway sets itself.
	ownDomains = []string{"kubernetes.io", "k8s.io", "slipway.dev"}
)

// validate refuses what would be read as something else where it ends up: a
// label with a space in it as another flag of the kubelet, the host of a
// registry with a slash as a file anywhere. The API refuses the same, but
// objects may be older than its rules.
func validate(in Input) error {
	for _, key := range slices.Sorted(maps.Keys(in.Spec.Labels)) {
		if err := validateLabel(key, string(in.Spec.Labels[key])); err != nil {
			return fmt.Errorf("%w: labels: %w", ErrInvalidSpec, err)
		}
	}
	for n, taint := range in.Spec.Taints {
		if err := validateTaint(taint); err != nil {
			return fmt.Errorf("%w: taints[%d]: %w", ErrInvalidSpec, n, err)
		}
	}
	for n, registry := range in.Registries {
		if !registryHost.MatchString(registry.Host) {
			return fmt.Errorf("%w: registries[%d]: host %.100q is none; use the name as in an image reference, for example registry.example.com:5000",
				ErrInvalidSpec, n, registry.Host)
		}
	}
	if err := validateReserved(in.Spec); err != nil {
		return fmt.Errorf("%w: kubelet.reserved: %w", ErrInvalidSpec, err)
	}
	if len(validation.IsDNS1123Subdomain(in.Name)) > 0 || len(validation.IsValidLabelValue(in.Pool)) > 0 {
		return fmt.Errorf("%w: name %.100q of pool %.100q cannot be that of a Node", ErrInvalidSpec, in.Name, in.Pool)
	}
	return nil
}

// validateReserved wants something left for pods. The API server does not compare
// quantities of two fields in a list: its rules may not cost that much.
func validateReserved(spec v1alpha1.MachineSpec) error {
	if spec.Kubelet == nil {
		return nil
	}
	for _, amount := range []struct {
		name, reserved, example string
		whole                   resource.Quantity
	}{
		{"cpu", spec.Kubelet.Reserved.CPU, "100m", *resource.NewQuantity(int64(spec.Machine.Cores), resource.DecimalSI)},
		{"memory", spec.Kubelet.Reserved.Memory, "500Mi", spec.Machine.Memory},
	} {
		if amount.reserved == "" {
			continue
		}
		reserved, err := resource.ParseQuantity(amount.reserved)
		if err != nil {
			return fmt.Errorf("%s %.100q is no quantity; use for example %s", amount.name, amount.reserved, amount.example)
		}
		if reserved.Cmp(amount.whole) >= 0 {
			return fmt.Errorf("%s %s leaves pods nothing of the worker's %s; use for example %s", amount.name, amount.reserved, &amount.whole, amount.example)
		}
	}
	return nil
}

func validateLabel(key, value string) error {
	if len(validation.IsQualifiedName(key)) > 0 {
		return fmt.Errorf("%.100q is not the key of a label; use for example example.com/disk", key)
	}
	if domain, _, found := strings.Cut(key, "/"); found {
		for _, own := range ownDomains {
			if domain == own || strings.HasSuffix(domain, "."+own) {
				return fmt.Errorf("%.100q cannot be set under %s; use a domain of your own, for example example.com/role", key, own)
			}
		}
	}
	return validateValue(value)
}

func validateTaint(taint v1alpha1.NodeTaint) error {
	if len(validation.IsQualifiedName(taint.Key)) > 0 {
		return fmt.Errorf("%.100q is not the key of a taint; use for example example.com/dedicated", taint.Key)
	}
	if !slices.Contains(taintEffects, taint.Effect) {
		return fmt.Errorf("%.100q is not an effect; use one of %v", taint.Effect, taintEffects)
	}
	return validateValue(string(taint.Value))
}

func validateValue(value string) error {
	if len(validation.IsValidLabelValue(value)) > 0 {
		return fmt.Errorf("%.100q is not a value; use at most 63 letters, digits, '-', '_' and '.', for example fast", value)
	}
	return nil
}

// nodeAddress reads the address of the NetworkPort. A zone, which can have any
// characters, is no part of a worker's address.
func nodeAddress(in Input) (netip.Addr, error) {
	address, err := netip.ParseAddr(in.Port.IPAddress)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address of NetworkPort: %w", err)
	}
	if address.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("address of NetworkPort: %.100q has a zone", in.Port.IPAddress)
	}
	return address, nil
}
