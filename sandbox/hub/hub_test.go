package hub

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/sandbox/credentials"
	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/machine"
)

func config(t *testing.T) Config {
	t.Helper()
	p, err := layout.New("demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	set, err := credentials.Load(filepath.Join(t.TempDir(), "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	set.TSIGSecret = "c2VjcmV0"
	return Config{
		Layout: p, Credentials: set, Root: "/data/hub", Programs: machine.Programs{"registry": "/cache/registry-1"},
		Loopback: netip.MustParseAddr("127.77.5.1"),
	}
}

func TestMachine(t *testing.T) {
	m, err := Machine(config(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"registry.yaml":      "/etc/registry/push.yaml",
		"registry-pull.yaml": "/etc/registry/pull.yaml",
		"named.conf":         "/etc/bind/named.conf",
		"zone":               "/var/lib/bind/zone",
	} {
		golden.File(t, name, string(m.Files[path].Content))
	}
	for _, secret := range []string{"/etc/registry/tls.key", "/etc/registry/push.htpasswd", "/etc/registry/pull.htpasswd", "/etc/bind/named.conf"} {
		if m.Files[secret].Mode != 0o600 {
			t.Errorf("%s has mode %o", secret, m.Files[secret].Mode)
		}
	}
}

// BIND itself says whether it would accept what we wrote.
func TestNameServerAcceptsConfiguration(t *testing.T) {
	m, err := Machine(config(t))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := m.Files.Write(root); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"named-checkconf", filepath.Join(root, "/etc/bind/named.conf")},
		{"named-checkzone", layout.Zone, filepath.Join(root, "/var/lib/bind/zone")},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", command, err, out)
		}
	}
}
