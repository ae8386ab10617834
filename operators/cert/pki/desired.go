package pki

import (
	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmv1ac "github.com/cert-manager/cert-manager/pkg/client/applyconfigurations/certmanager/v1"
	cmmetav1ac "github.com/cert-manager/cert-manager/pkg/client/applyconfigurations/meta/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"slipway.dev/api/v1alpha1"
)

// Objects made for a tenant carry LabelManagedBy = ManagedBy beside the
// tenant's own label; caches are restricted to them.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "cert-operator"
)

// Desired are the objects that cert-manager turns into Secrets. All are made
// at once: cert-manager resumes a certificate as soon as its issuer is ready.
type Desired struct {
	Issuers      []*cmv1ac.IssuerApplyConfiguration
	Certificates []*cmv1ac.CertificateApplyConfiguration
}

// Names are those of the issuers and of the certificates.
func (d Desired) Names() (issuers, certificates sets.Set[string]) {
	issuers, certificates = sets.New[string](), sets.New[string]()
	for _, issuer := range d.Issuers {
		issuers.Insert(*issuer.GetName())
	}
	for _, certificate := range d.Certificates {
		certificates.Insert(*certificate.GetName())
	}
	return issuers, certificates
}

// Desire builds the objects of a tenant, authorities first. An error says what
// is wrong with the spec.
func Desire(tenant *v1alpha1.TenantPKI) (Desired, error) {
	certificates, err := plan(tenant.Spec)
	if err != nil {
		return Desired{}, err
	}
	desired := Desired{Issuers: []*cmv1ac.IssuerApplyConfiguration{
		issuer(tenant, issuerSelfSigned, cmv1ac.IssuerSpec().WithSelfSigned(cmv1ac.SelfSignedIssuer())),
	}}
	for _, c := range certificates {
		if c.isCA {
			spec := cmv1ac.IssuerSpec().WithCA(cmv1ac.CAIssuer().WithSecretName(c.name))
			desired.Issuers = append(desired.Issuers, issuer(tenant, c.name, spec))
		}
		desired.Certificates = append(desired.Certificates, cmv1ac.Certificate(c.name, tenant.Namespace).
			WithLabels(Labels(tenant)).
			WithOwnerReferences(owner(tenant)).
			WithSpec(certificateSpec(tenant, c)))
	}
	return desired, nil
}

// Labels are on every object of a tenant's PKI.
func Labels(tenant *v1alpha1.TenantPKI) map[string]string {
	return map[string]string{v1alpha1.LabelTenant: tenant.Namespace, LabelManagedBy: ManagedBy}
}

func issuer(tenant *v1alpha1.TenantPKI, name string, spec *cmv1ac.IssuerSpecApplyConfiguration) *cmv1ac.IssuerApplyConfiguration {
	return cmv1ac.Issuer(name, tenant.Namespace).
		WithLabels(Labels(tenant)).
		WithOwnerReferences(owner(tenant)).
		WithSpec(spec)
}

func certificateSpec(tenant *v1alpha1.TenantPKI, c certificate) *cmv1ac.CertificateSpecApplyConfiguration {
	// A leaf gets a new key with every renewal. An authority keeps its key: a
	// renewed authority then still verifies the leaves that are in use and is
	// verified by those who trust the old one, so renewal needs no rotation.
	rotation := cmv1.RotationPolicyAlways
	if c.isCA {
		rotation = cmv1.RotationPolicyNever
	}
	spec := cmv1ac.CertificateSpec().
		WithSecretName(c.name).
		WithSecretTemplate(cmv1ac.CertificateSecretTemplate().WithLabels(Labels(tenant))).
		WithIssuerRef(cmmetav1ac.IssuerReference().WithGroup("cert-manager.io").WithKind(cmv1.IssuerKind).WithName(c.issuer)).
		WithCommonName(c.commonName).
		WithUsages(c.usages...).
		WithDuration(metav1.Duration{Duration: c.duration}).
		WithRenewBefore(metav1.Duration{Duration: c.duration / renewBeforeShare}).
		WithPrivateKey(cmv1ac.CertificatePrivateKey().
			WithAlgorithm(cmv1.ECDSAKeyAlgorithm).
			WithSize(256).
			WithEncoding(cmv1.PKCS8).
			WithRotationPolicy(rotation)).
		WithRevisionHistoryLimit(1)
	if c.isCA {
		spec.WithIsCA(true)
	}
	if len(c.organizations) > 0 {
		spec.WithSubject(cmv1ac.X509Subject().WithOrganizations(c.organizations...))
	}
	return spec.WithDNSNames(c.dnsNames...).WithIPAddresses(c.ipAddresses...)
}

func owner(tenant *v1alpha1.TenantPKI) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).
		WithKind("TenantPKI").
		WithName(tenant.Name).
		WithUID(tenant.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}
