// Package zone decides which DNS records a tenant has, and what the answers of
// the authoritative server mean. It asks nobody.
package zone

import (
	"cmp"
	"fmt"
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

// NamesOf returns a tenant's names below the base domain. They are confined to
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

// List returns those names that are not empty.
func (n Names) List() []string {
	return slices.DeleteFunc([]string{n.API, n.Apps}, func(name string) bool { return name == "" })
}

// only returns those names that are among some others.
func (n Names) only(others []string) Names {
	if !slices.Contains(others, n.API) {
		n.API = ""
	}
	if !slices.Contains(others, n.Apps) {
		n.Apps = ""
	}
	return n
}

// include reports whether a name is one of these, or below the wildcard.
func (n Names) include(name string) bool {
	return name == n.API || strings.HasSuffix(name, strings.TrimPrefix(n.Apps, "*"))
}

// Target is what a name leads to: addresses or, where it is an alias (CNAME),
// another name. The zero value is a name that is not there.
type Target struct {
	// Addresses, sorted and each once.
	Addresses []netip.Addr
	// Alias is fully qualified, without the last dot.
	Alias string
}

// NewTarget returns addresses in their canonical order.
func NewTarget(addresses ...netip.Addr) Target {
	slices.SortFunc(addresses, netip.Addr.Compare)
	return Target{Addresses: slices.Compact(addresses)}
}

// Empty reports whether a name leads nowhere.
func (t Target) Empty() bool { return t.Alias == "" && len(t.Addresses) == 0 }

// Equal compares targets.
func (t Target) Equal(other Target) bool {
	return t.Alias == other.Alias && slices.Equal(t.Addresses, other.Addresses)
}

// String is for people; it does not depend on the order in which a server answers.
func (t Target) String() string {
	if t.Alias != "" {
		return "alias " + t.Alias
	}
	if len(t.Addresses) == 0 {
		return "no address"
	}
	texts := make([]string, len(t.Addresses))
	for i, addr := range t.Addresses {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}

// Record is a name and what it should lead to.
type Record struct {
	Name   string
	Target Target
}

// Records are those of a tenant; a name without targets has none. An error
// names the target that is neither an address nor a host name.
func Records(spec v1alpha1.TenantDNSSpec, names Names) ([]Record, error) {
	var records []Record
	for _, r := range []struct {
		field, name string
		targets     []string
	}{{"apiTargets", names.API, spec.APITargets}, {"appsTargets", names.Apps, spec.AppsTargets}} {
		target, err := targetOf(r.targets, names)
		if err != nil {
			return nil, fmt.Errorf("spec.%s: %w", r.field, err)
		}
		if !target.Empty() {
			records = append(records, Record{Name: r.name, Target: target})
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

// targetOf prefers addresses, as a name has either addresses or one alias. Of
// several host names, which lead to the same, it takes the first in their order.
func targetOf(texts []string, names Names) (Target, error) {
	var addresses []netip.Addr
	var hosts []string
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, addr.Unmap().WithZone(""))
			continue
		}
		host := strings.ToLower(strings.TrimSuffix(text, "."))
		switch {
		case !isHostName(host):
			return Target{}, fmt.Errorf("%q is neither an IP address nor a host name; write for example 192.0.2.1 or lb.example.com", text)
		case names.include(host):
			return Target{}, fmt.Errorf("%q is a name of this tenant and would lead to itself; give the host that it should lead to", text)
		}
		hosts = append(hosts, host)
	}
	if len(addresses) > 0 || len(hosts) == 0 {
		return NewTarget(addresses...), nil
	}
	return Target{Alias: slices.MinFunc(hosts, cmp.Compare[string])}, nil
}

// isHostName wants, beyond the syntax, a last label that is no number: only a
// mistyped address ends so (RFC 3696, section 2).
func isHostName(text string) bool {
	last := text[strings.LastIndex(text, ".")+1:]
	return len(validation.IsDNS1123Subdomain(text)) == 0 && strings.Trim(last, "0123456789") != ""
}
