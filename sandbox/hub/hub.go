// Package hub describes the machine that holds what a real site has outside of
// its cluster: an OCI registry, and the authoritative name server of its
// domain.
package hub

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"golang.org/x/crypto/bcrypt"

	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
	"slipway.dev/sandbox/supervise"
)

// Name is the hub's hostname and the name under which its processes are recorded.
const Name = "hub"

const (
	registryStorage = "/var/lib/registry"
	dnsDirectory    = "/var/lib/bind"
)

var (
	//go:embed registry.yaml
	registryTemplate string
	//go:embed named.conf
	namedTemplate string
	//go:embed zone
	zoneTemplate string
)

// Config is what the hub is made of.
type Config struct {
	Layout      layout.Layout
	Credentials credentials.Set
	// Root is the folder of the machine's root file system.
	Root string
	// Programs has the component "registry".
	Programs machine.Programs
	// Loopback is the address on the host at which the registry is also reached.
	Loopback netip.Addr
}

// Machine renders the hub.
func Machine(c Config) (machine.Machine, error) {
	files := machine.Identity(Name, nil, layout.HubAddress)
	if err := c.registry(files); err != nil {
		return machine.Machine{}, err
	}
	c.nameServer(files)
	registry := c.Programs.Path("registry", "registry")
	return machine.Machine{
		Namespace: c.Layout.HubNamespace(),
		Cgroup:    c.Layout.HubCgroup(),
		Files:     files,
		Spec: supervise.Spec{
			Hostname: Name,
			Root:     c.Root,
			Binds:    c.Programs.Binds(),
			Logs:     "/var/log",
			Services: []supervise.Service{
				{Name: "registry", Command: []string{registry, "serve", "/etc/registry/push.yaml"}},
				{Name: "registry-pull", Command: []string{registry, "serve", "/etc/registry/pull.yaml"}},
				{Name: "named", Command: []string{"/usr/sbin/named", "-g", "-n", "1", "-c", "/etc/bind/named.conf"}},
			},
		},
	}, nil
}

// registry describes two processes with one store: a registry tells users apart
// and not what they may do, so those who may only pull have one that takes nothing.
func (c Config) registry(files machine.Files) error {
	certificate, key, err := c.Credentials.ServerCertificate(
		[]string{layout.RegistryHost}, []netip.Addr{layout.HubAddress, c.Loopback})
	if err != nil {
		return fmt.Errorf("issuing the registry's certificate: %w", err)
	}
	files["/etc/registry/tls.crt"] = machine.File{Content: certificate}
	files["/etc/registry/tls.key"] = machine.Secret(key)
	for _, process := range []struct {
		name               string
		port               uint16
		username, password string
		readOnly           bool
	}{
		{"push", layout.RegistryPort, credentials.Username, c.Credentials.Password, false},
		{"pull", layout.PullPort, credentials.PullUsername, c.Credentials.PullPassword(), true},
	} {
		users := "/etc/registry/" + process.name + ".htpasswd"
		files["/etc/registry/"+process.name+".yaml"] = machine.Text(render(registryTemplate, map[string]any{
			"Address":  netip.AddrPortFrom(layout.HubAddress, process.port),
			"Storage":  registryStorage,
			"Users":    users,
			"ReadOnly": process.readOnly,
		}))
		// Passwords have 128 random bits, so a slow hash would only slow down
		// the registry, which checks it at every request.
		hash, err := bcrypt.GenerateFromPassword([]byte(process.password), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hashing the password of %s: %w", process.username, err)
		}
		files[users] = machine.Secret(fmt.Appendf(nil, "%s:%s\n", process.username, hash))
	}
	return nil
}

func (c Config) nameServer(files machine.Files) {
	data := map[string]any{
		"Directory": dnsDirectory,
		"Address":   layout.HubAddress,
		"Port":      layout.DNSPort,
		"Zone":      layout.Zone,
		"Key":       layout.TSIGKeyName,
		"Secret":    c.Credentials.TSIGSecret,
	}
	files["/etc/bind/named.conf"] = machine.Secret([]byte(render(namedTemplate, data)))
	// BIND rewrites the zone as it is updated. A fresh start gives an empty one:
	// external-dns fills it again from the objects in the cluster.
	files[dnsDirectory+"/zone"] = machine.Text(render(zoneTemplate, data))
}

// render fills in one of the templates above, which are part of the program:
// an error is a mistake in it.
func render(text string, data any) string {
	var out strings.Builder
	if err := template.Must(template.New("").Option("missingkey=error").Parse(text)).Execute(&out, data); err != nil {
		panic(err)
	}
	return out.String()
}
