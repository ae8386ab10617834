// Package zone decides which DNS records a tenant has, and what the answers of
// the authoritative server mean. It asks nobody.
package zone

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/api/v1alpha1"
)

// maxNameLength is the longest name that is given out. RFC 1035 allows 253
// characters; the rest is for the prefix with which external-dns makes the
// name of its TXT record of ownership.
const maxNameLength = 253 - 32

// wildcardProbe is a name below the wildcard: asking for it shows what clients
// get, where asking for the wildcard itself would show only that it is stored.
const wildcardProbe = "slipway-probe"

// Names are the fully qualified names of a tenant, without the last dot.
type Names struct {
	API  string
	Apps string
}

// NamesOf gives a tenant's names below the base domain. They are confined to
// the tenant's own apex NAME.NAMESPACE.BASE, as external-dns merges the targets
// of equal names across namespaces. An error says what is wrong with the names.
func NamesOf(spec v1alpha1.TenantDNSSpec, baseDomain string) (Names, error) {
	for _, part := range []struct{ field, label string }{{"tenantName", spec.TenantName}, {"tenantNamespace", spec.TenantNamespace}} {
		if problems := validation.IsDNS1123Label(part.label); len(problems) > 0 {
			return Names{}, fmt.Errorf("spec.%s %q cannot be part of a DNS name: %s", part.field, part.label, problems[0])
		}
	}
	apex := strings.Join([]string{spec.TenantName, spec.TenantNamespace, baseDomain}, ".")
	names := Names{API: "api." + apex, Apps: "*.apps." + apex}
	if length := len(names.Apps); length > maxNameLength {
		return Names{}, fmt.Errorf("DNS name %s has %d characters, at most %d are possible; use shorter names or a shorter base domain",
			names.Apps, length, maxNameLength)
	}
	return names, nil
}

// Record is a name with the addresses that it shall have.
type Record struct {
	Name    string
	Targets []netip.Addr
}

// Records are those of a tenant; a name without targets has none. An error
// names the target that is no address.
func Records(spec v1alpha1.TenantDNSSpec, names Names) ([]Record, error) {
	var records []Record
	for _, r := range []struct {
		field, name string
		targets     []string
	}{{"apiTargets", names.API, spec.APITargets}, {"appsTargets", names.Apps, spec.AppsTargets}} {
		record := Record{Name: r.name}
		for _, text := range r.targets {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("spec.%s: %q is not an IP address", r.field, text)
			}
			record.Targets = append(record.Targets, addr.Unmap().WithZone(""))
		}
		slices.SortFunc(record.Targets, netip.Addr.Compare)
		record.Targets = slices.Compact(record.Targets)
		if len(record.Targets) > 0 {
			records = append(records, record)
		}
	}
	return records, nil
}

// RecordNames are the names of the records.
func RecordNames(records []Record) []string {
	names := make([]string, len(records))
	for i, record := range records {
		names[i] = record.Name
	}
	return names
}

// Question is the name to ask for in order to see a name's records.
func Question(name string) string {
	if below, ok := strings.CutPrefix(name, "*."); ok {
		return wildcardProbe + "." + below
	}
	return name
}

// Answer is what the authoritative server says of one name.
type Answer struct {
	// Addresses in any order; empty when the name does not exist.
	Addresses []netip.Addr
	// Err says why there is no answer.
	Err error
}

// Missing says, for the first record that the answers do not fulfil, what is
// missing; it is empty when all are served exactly. Answers are by record name.
func Missing(records []Record, answers map[string]Answer) string {
	for _, record := range records {
		answer := answers[record.Name]
		got := slices.Clone(answer.Addresses)
		slices.SortFunc(got, netip.Addr.Compare)
		got = slices.Compact(got)
		switch {
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", record.Name, answer.Err)
		case !slices.Equal(got, record.Targets):
			return fmt.Sprintf("%s: has %s, shall have %s", record.Name, list(got), list(record.Targets))
		}
	}
	return ""
}

// Remaining says which name is still answered for, or may be; it is empty when
// none is.
func Remaining(answers map[string]Answer) string {
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		switch answer := answers[name]; {
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", name, answer.Err)
		case len(answer.Addresses) > 0:
			return fmt.Sprintf("%s: still has %s", name, list(answer.Addresses))
		}
	}
	return ""
}

func list(addresses []netip.Addr) string {
	if len(addresses) == 0 {
		return "no address"
	}
	texts := make([]string, len(addresses))
	for i, addr := range addresses {
		texts[i] = addr.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}
