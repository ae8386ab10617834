package approval_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net"
	"net/url"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

func TestDecideApproves(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		draft  func() *draft
		change func(*draft)
	}{
		"serving":               {draft: serving},
		"serving, address only": {serving, func(d *draft) { d.template.DNSNames = nil }},
		"serving, name only":    {serving, func(d *draft) { d.template.IPAddresses = nil }},
		"serving, RSA key": {serving, func(d *draft) {
			d.key, d.spec.Usages = rsaKey, append(d.spec.Usages, certificatesv1.UsageKeyEncipherment)
		}},
		"first client certificate": {draft: first},
		"first, RSA key": {first, func(d *draft) {
			d.key, d.spec.Usages = rsaKey, append(d.spec.Usages, certificatesv1.UsageKeyEncipherment)
		}},
		"renewal": {draft: renewal},
	} {
		t.Run(name, func(t *testing.T) {
			d := test.draft()
			if test.change != nil {
				test.change(d)
			}
			request := d.signed(t)
			if err := approval.Decide(request, machine); err != nil {
				t.Error(err)
			}
			if got, ok := approval.MachineName(request); !ok || got != machine.Name {
				t.Errorf("about Machine %q, %v", got, ok)
			}
		})
	}
}

// TestDecideSaysWhatIsWrong has what somebody would try who wants more than is
// theirs; that nothing else is approved is what TestOneChange shows.
func TestDecideSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		draft  func() *draft
		change func(*draft)
		want   string
	}{
		"another signer": {first, func(d *draft) { d.spec.SignerName = certificatesv1.KubeAPIServerClientSignerName },
			`signer "kubernetes.io/kube-apiserver-client" does not sign certificates of kubelets`},
		"another Machine's token": {first, func(d *draft) { d.spec.Username = "system:bootstrap:zzzzzz" },
			`requestor "system:bootstrap:zzzzzz" does not speak for Machine a-bcdfg`},
		"a token of somebody else's making": {first, func(d *draft) { d.spec.Groups = []string{"system:bootstrappers"} },
			`requestor "system:bootstrap:abcdef" is not in group system:bootstrappers:slipway`},
		"another node": {renewal, func(d *draft) { d.spec.Username = "system:node:b-bcdfg" },
			`request by "system:node:b-bcdfg" is not about Machine a-bcdfg`},
		"a user who calls himself a node": {renewal, func(d *draft) { d.spec.Groups = []string{"system:authenticated"} },
			`requestor "system:node:a-bcdfg" is not in group system:nodes`},
		"a serving certificate for a token": {serving, func(d *draft) { d.spec.Username, d.spec.Groups = tokenUser, first().spec.Groups },
			`requestor "system:bootstrap:abcdef" does not speak for Machine a-bcdfg`},
		"a client certificate that serves": {first, func(d *draft) { d.spec.Usages = append(d.spec.Usages, certificatesv1.UsageServerAuth) },
			`usage "server auth" is not for certificates of this signer`},
		"no usages": {serving, func(d *draft) { d.spec.Usages = nil }, `usage "digital signature" is missing`},
		"admin": {renewal, func(d *draft) { d.template.Subject.Organization = []string{"system:masters"} },
			`subject is "CN=system:node:a-bcdfg,O=system:masters"; want CN=system:node:a-bcdfg,O=system:nodes`},
		"admin beside": {renewal, func(d *draft) { d.template.Subject.Organization = []string{"system:nodes", "system:masters"} },
			`subject "CN=system:node:a-bcdfg,O=system:nodes+O=system:masters" has 3 attributes; want CN and O`},
		"a client certificate with a name": {first, func(d *draft) { d.template.DNSNames = []string{"a-bcdfg"} },
			`extension "2.5.29.17" is not for a client certificate`},
		"no name": {serving, func(d *draft) { d.template.DNSNames, d.template.IPAddresses = nil, nil },
			"request has 0 extensions; want one, of alternative names"},
		"another's name": {serving, func(d *draft) { d.template.DNSNames = append(d.template.DNSNames, "kubernetes") },
			`name "kubernetes" is not that of Machine a-bcdfg`},
		"another's address": {serving, func(d *draft) { d.template.IPAddresses = append(d.template.IPAddresses, net.IPv4(10, 200, 0, 10)) },
			"address 10.200.0.10 is not that of Machine a-bcdfg"},
		"URI": {serving, func(d *draft) { d.template.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} },
			"alternative names are not DNS names and addresses alone"},
	} {
		t.Run(name, func(t *testing.T) {
			d := test.draft()
			test.change(d)
			if err := approval.Decide(d.signed(t), machine); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestDecideWithoutToken(t *testing.T) {
	tokenless := machine
	tokenless.TokenID = ""
	for _, user := range []string{tokenUser, "system:bootstrap:"} {
		d := first()
		d.spec.Username = user
		if err := approval.Decide(d.signed(t), tokenless); err == nil {
			t.Errorf("%s speaks for a Machine without a token", user)
		}
	}
	if err := approval.Decide(renewal().signed(t), tokenless); err != nil {
		t.Errorf("renewal: %v", err)
	}
}

// TestNobodysRequest: a Machine that is not filled in is nobody's, so nothing is its own.
func TestNobodysRequest(t *testing.T) {
	for name, draft := range drafts {
		d := draft()
		d.template.Subject.CommonName = "system:node:"
		d.template.DNSNames, d.template.IPAddresses = nil, nil
		for _, user := range []string{"system:node:", "system:bootstrap:"} {
			d.spec.Username = user
			if err := approval.Decide(d.signed(t), approval.Machine{}); err == nil {
				t.Errorf("%s by %s is approved for no Machine", name, user)
			}
		}
	}
}

func TestMachineName(t *testing.T) {
	for name, test := range map[string]struct {
		draft  func() *draft
		change func(*draft)
		want   string
	}{
		"the node's own name, whatever it asks for": {renewal, func(d *draft) { d.template.Subject.CommonName = "system:node:b" }, "a-bcdfg"},
		"the name that a token's holder wants":      {first, func(d *draft) { d.template.Subject.CommonName = "system:node:b" }, "b"},
		"a serving certificate for a token":         {serving, func(d *draft) { d.spec.Username = tokenUser }, "a-bcdfg"},
		"a token's holder who wants to be a user":   {first, func(d *draft) { d.template.Subject.CommonName = "admin" }, ""},
		"a user":           {first, func(d *draft) { d.spec.Username = "admin" }, ""},
		"another signer":   {renewal, func(d *draft) { d.spec.SignerName = certificatesv1.KubeAPIServerClientSignerName }, ""},
		"no name":          {renewal, func(d *draft) { d.spec.Username = "system:node:" }, ""},
		"no Machine's":     {renewal, func(d *draft) { d.spec.Username = "system:node:../x" }, ""},
		"longer than name": {renewal, func(d *draft) { d.spec.Username = "system:node:" + strings.Repeat("x", 254) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := test.draft()
			test.change(d)
			if got, ok := approval.MachineName(d.signed(t)); got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
		})
	}
	broken := first().signed(t)
	broken.Request = []byte("x")
	if got, ok := approval.MachineName(broken); ok {
		t.Errorf("a broken request is about %q", got)
	}
}
