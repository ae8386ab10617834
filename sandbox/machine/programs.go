package machine

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"slipway.dev/sandbox/supervise"
)

// Programs maps each component to the folder of the host that holds its
// programs. A folder's name carries the hash of what it was built from, so its
// content never changes under a running machine.
type Programs map[string]string

// Path is where a component's program is, on the host and in every machine alike.
func (p Programs) Path(component, program string) string {
	return filepath.Join(p[component], program)
}

// Binds shows the programs in a machine.
func (p Programs) Binds() []supervise.Bind {
	var binds []supervise.Bind
	for _, component := range slices.Sorted(maps.Keys(p)) {
		binds = append(binds, supervise.Bind{Source: p[component], Target: p[component]})
	}
	return binds
}

// SearchPath is the value of PATH that finds the programs first.
func (p Programs) SearchPath() string {
	var folders []string
	for _, component := range slices.Sorted(maps.Keys(p)) {
		folders = append(folders, p[component])
	}
	return strings.Join(append(folders, "/usr/sbin", "/usr/bin", "/sbin", "/bin"), ":")
}

// Identity changes whenever one of the programs does.
func (p Programs) Identity() string { return p.SearchPath() }
