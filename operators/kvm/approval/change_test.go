package approval_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"iter"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	"slipway.dev/operators/kvm/approval"
)

// TestOneChange: a valid request is approved, and with any one thing changed it is not.
func TestOneChange(t *testing.T) {
	for name, draft := range drafts {
		t.Run(name, func(t *testing.T) {
			valid := draft().signed(t)
			if err := approval.Decide(valid, machine); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			for what, change := range signedChanges(t, draft()) {
				d := draft()
				change(d)
				if err := approval.Decide(d.signed(t), machine); err == nil {
					t.Errorf("approved with %s", what)
				}
			}
			for what, request := range byteChanges(valid.Request) {
				changed := *valid
				changed.Request = request
				if err := approval.Decide(&changed, machine); err == nil {
					t.Errorf("approved with %s", what)
				}
			}
			for what, other := range otherMachines(draft()) {
				if err := approval.Decide(valid, other); err == nil {
					t.Errorf("approved for a Machine of %s", what)
				}
			}
		})
	}
}

type change = func(*draft)

func signedChanges(t *testing.T, base *draft) iter.Seq2[string, change] {
	return func(yield func(string, change) bool) {
		for _, changes := range []map[string]change{
			requestorChanges(base), usageChanges(base), subjectChanges(), extensionChanges(t),
		} {
			for what, change := range changes {
				if !yield(what, change) {
					return
				}
			}
		}
	}
}

func requestorChanges(base *draft) map[string]change {
	changes := map[string]change{}
	for _, user := range []string{
		"", "admin", "system:anonymous", "system:node:", "system:node:b-bcdfg", nodeUser + "x", nodeUser + " ", nodeUser + "\x00",
		" " + nodeUser, "system:node:A-BCDFG", "system:nodes:a-bcdfg", "a-bcdfg", "system:bootstrap:", "system:bootstrap:abcdeg",
		tokenUser + "x", "system:bootstrap:ABCDEF", "system:bootstrap:abcde", nodeUser, tokenUser,
	} {
		if user != base.spec.Username {
			changes[fmt.Sprintf("user %q", user)] = func(d *draft) { d.spec.Username = user }
		}
	}
	for _, groups := range [][]string{nil, {"system:authenticated"}, {"system:masters"}, {"system:bootstrappers"}, {"system:nodes:x"}, {""}} {
		changes[fmt.Sprintf("groups %q", groups)] = func(d *draft) { d.spec.Groups = groups }
	}
	for _, signer := range []string{
		"", certificatesv1.KubeAPIServerClientSignerName, "kubernetes.io/legacy-unknown", "example.com/kubelet-serving",
		certificatesv1.KubeletServingSignerName, certificatesv1.KubeAPIServerClientKubeletSignerName,
	} {
		if signer != base.spec.SignerName {
			changes[fmt.Sprintf("signer %q", signer)] = func(d *draft) { d.spec.SignerName = signer }
		}
	}
	return changes
}

func usageChanges(base *draft) map[string]change {
	changes := map[string]change{}
	for _, usage := range []certificatesv1.KeyUsage{
		certificatesv1.UsageSigning, certificatesv1.UsageDigitalSignature, certificatesv1.UsageContentCommitment,
		certificatesv1.UsageKeyAgreement, certificatesv1.UsageDataEncipherment, certificatesv1.UsageCertSign, certificatesv1.UsageCRLSign,
		certificatesv1.UsageEncipherOnly, certificatesv1.UsageDecipherOnly, certificatesv1.UsageAny, certificatesv1.UsageServerAuth,
		certificatesv1.UsageClientAuth, certificatesv1.UsageCodeSigning, certificatesv1.UsageEmailProtection, certificatesv1.UsageSMIME,
		certificatesv1.UsageIPsecEndSystem, certificatesv1.UsageIPsecTunnel, certificatesv1.UsageIPsecUser,
		certificatesv1.UsageTimestamping, certificatesv1.UsageOCSPSigning, certificatesv1.UsageMicrosoftSGC, certificatesv1.UsageNetscapeSGC, "",
	} {
		if !slices.Contains(base.spec.Usages, usage) {
			changes[fmt.Sprintf("usage %q", usage)] = func(d *draft) { d.spec.Usages = append(d.spec.Usages, usage) }
		}
	}
	for n, usage := range base.spec.Usages {
		changes[fmt.Sprintf("no usage %q", usage)] = func(d *draft) { d.spec.Usages = slices.Delete(d.spec.Usages, n, n+1) }
	}
	return changes
}

func subjectChanges() map[string]change {
	changes := map[string]change{
		"no organization": func(d *draft) { d.template.Subject.Organization = nil },
		"no common name":  func(d *draft) { d.template.Subject.CommonName = "" },
		"no subject":      func(d *draft) { d.template.Subject = pkix.Name{} },
		"the organization twice": func(d *draft) {
			d.template.Subject.Organization = []string{"system:nodes", "system:nodes"}
		},
	}
	for _, name := range []string{"system:node:b-bcdfg", "system:node:", "a-bcdfg", nodeUser + "\x00", nodeUser + ",O=system:masters", "admin"} {
		changes[fmt.Sprintf("common name %q", name)] = func(d *draft) { d.template.Subject.CommonName = name }
	}
	for _, organization := range []string{"system:masters", "system:nodes ", "system:node", "SYSTEM:NODES"} {
		changes["organization "+organization] = func(d *draft) { d.template.Subject.Organization = []string{organization} }
	}
	commonName := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: nodeUser}
	changes["the common name twice"] = func(d *draft) {
		d.template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{commonName, commonName}
	}
	// Among them what API servers read as further groups, another name, and the user's UID.
	for _, oid := range []asn1.ObjectIdentifier{{2, 5, 4, 10}, {2, 5, 4, 3}, {2, 5, 4, 11}, {2, 5, 4, 5}, {1, 3, 6, 1, 4, 1, 57683, 2}} {
		changes["attribute "+oid.String()] = func(d *draft) {
			d.template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oid, Value: "system:masters"}}
		}
	}
	return changes
}

func extensionChanges(t *testing.T) map[string]change {
	changes := map[string]change{
		"a DNS name":        func(d *draft) { d.template.DNSNames = append(d.template.DNSNames, "kubernetes") },
		"a wildcard":        func(d *draft) { d.template.DNSNames = append(d.template.DNSNames, "*") },
		"an empty name":     func(d *draft) { d.template.DNSNames = append(d.template.DNSNames, "") },
		"an address":        func(d *draft) { d.template.IPAddresses = append(d.template.IPAddresses, net.IPv4(10, 200, 0, 10)) },
		"an IPv6 address":   func(d *draft) { d.template.IPAddresses = append(d.template.IPAddresses, net.IPv6loopback) },
		"an e-mail address": func(d *draft) { d.template.EmailAddresses = []string{"a@example.com"} },
		"a URI":             func(d *draft) { d.template.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} },
		"no alternative name in the extension": func(d *draft) {
			d.template.ExtraExtensions = alternativeNames(t)
		},
		"to be a CA": func(d *draft) {
			d.template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}}
		},
	}
	const dnsName = 2
	// otherName, x400Address, directoryName, ediPartyName, registeredID.
	for _, kind := range []int{0, 3, 4, 5, 8} {
		changes[fmt.Sprintf("a name of kind %d", kind)] = func(d *draft) {
			d.template.ExtraExtensions = alternativeNames(t, generalName(dnsName, "a-bcdfg"), generalName(kind, "x"))
		}
	}
	return changes
}

// byteChanges are of what has been signed.
func byteChanges(request []byte) iter.Seq2[string, []byte] {
	der := decode(request)
	written := map[string][]byte{
		"nothing":              nil,
		"DER":                  der,
		"two blocks":           slices.Concat(request, request),
		"text before":          slices.Concat([]byte("x\n"), request),
		"text behind":          slices.Concat(request, []byte("x")),
		"a broken block first": slices.Concat([]byte("-----BEGIN CERTIFICATE REQUEST-----\n!\n-----END CERTIFICATE REQUEST-----\n"), request),
		"a header":             bytes.Replace(request, []byte("-----\n"), []byte("-----\nProc-Type: 4,ENCRYPTED\n\n"), 1),
		"another type":         bytes.ReplaceAll(request, []byte("CERTIFICATE REQUEST"), []byte("NEW CERTIFICATE REQUEST")),
		"bytes behind the DER": encode(append(bytes.Clone(der), 0)),
		"too many bytes":       slices.Concat(request, bytes.Repeat([]byte("\n"), 64<<10)),
	}
	return func(yield func(string, []byte) bool) {
		for what, changed := range maps.All(written) {
			if !yield(what, changed) {
				return
			}
		}
		for bit := range 8 * len(der) {
			flipped := bytes.Clone(der)
			flipped[bit/8] ^= 1 << (bit % 8)
			if !yield(fmt.Sprintf("bit %d flipped", bit), encode(flipped)) {
				return
			}
		}
		for length := range der {
			if !yield(fmt.Sprintf("its first %d bytes", length), encode(der[:length])) {
				return
			}
		}
	}
}

func otherMachines(base *draft) map[string]approval.Machine {
	others := map[string]approval.Machine{}
	for what, change := range map[string]func(*approval.Machine){
		"another name":    func(m *approval.Machine) { m.Name = "b-bcdfg" },
		"no name":         func(m *approval.Machine) { m.Name = "" },
		"another token":   func(m *approval.Machine) { m.TokenID = "zzzzzz" },
		"another address": func(m *approval.Machine) { m.IPAddress = netip.MustParseAddr("10.200.0.17") },
		"no address":      func(m *approval.Machine) { m.IPAddress = netip.Addr{} },
	} {
		aboutToken := strings.Contains(what, "token")
		aboutAddress := strings.Contains(what, "address")
		if aboutToken && base.spec.Username != tokenUser || aboutAddress && len(base.template.IPAddresses) == 0 {
			continue // says nothing about this request
		}
		other := machine
		change(&other)
		others[what] = other
	}
	return others
}
