package approval_test

import (
	"crypto/x509"
	"slices"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

// FuzzDecide: whatever is in a request, what is approved is the Machine's own
// and nobody else's; and nothing makes the decision panic.
func FuzzDecide(f *testing.F) {
	for _, draft := range drafts {
		good := draft().signed(f)
		f.Add(good.SignerName, good.Username, good.Groups[0], string(good.Usages[1]), good.Request)
		other := draft()
		other.template.DNSNames = []string{"kubernetes"}
		f.Add(good.SignerName, good.Username, good.Groups[0], string(good.Usages[1]), other.signed(f).Request)
	}
	f.Add(certificatesv1.KubeletServingSignerName, "system:node:", "system:nodes", "server auth",
		[]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, signer, user, group, usage string, request []byte) {
		spec := &certificatesv1.CertificateSigningRequestSpec{
			SignerName: signer, Username: user, Groups: []string{group, "system:bootstrappers:slipway"},
			Usages:  []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.KeyUsage(usage)},
			Request: request,
		}
		name, about := approval.MachineName(spec)
		if approval.Decide(spec, machine) != nil {
			return
		}
		if !about || name != machine.Name {
			t.Errorf("approved and about %q", name)
		}
		byToken := signer == certificatesv1.KubeAPIServerClientKubeletSignerName && user == tokenUser
		if byNode := user == nodeUser && group == "system:nodes"; !byToken && !byNode {
			t.Errorf("approved for signer %q, user %q, group %q", signer, user, group)
		}
		checkApproved(t, signer, request)
	})
}

func checkApproved(t *testing.T, signer string, request []byte) {
	t.Helper()
	parsed, err := x509.ParseCertificateRequest(decode(request))
	if err != nil {
		t.Fatalf("approved what cannot be parsed: %v", err)
	}
	if parsed.Subject.CommonName != nodeUser || !slices.Equal(parsed.Subject.Organization, []string{"system:nodes"}) {
		t.Errorf("approved for %s", parsed.Subject)
	}
	if signer != certificatesv1.KubeletServingSignerName && len(parsed.Extensions) > 0 {
		t.Errorf("approved with extensions %v", parsed.Extensions)
	}
	for _, name := range parsed.DNSNames {
		if name != machine.Name {
			t.Errorf("approved for name %q", name)
		}
	}
	for _, ip := range parsed.IPAddresses {
		if !ip.Equal(machine.IPAddress.AsSlice()) {
			t.Errorf("approved for address %s", ip)
		}
	}
}
