package tenantpki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cert/pki"
)

// TestTenantPKI follows one tenant's PKI through its life, with the real
// cert-manager. The steps build on each other.
func TestTenantPKI(t *testing.T) {
	e := newEnvironment(t)
	tenant := e.createTenant(t, "demo")

	// Without cert-manager the status says what is waited for.
	e.await(t, tenant, "status names what blocks", func() bool {
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == "WaitingForCertificate" && ready.Message == "Certificate ca: waiting for cert-manager"
	})

	e.startCertManager(t)
	e.awaitReady(t, tenant)
	e.awaitEvent(t, tenant, "Issued", "")
	t.Run("issued", func(t *testing.T) { e.checkIssued(t, tenant) })
	t.Run("a tenant more", func(t *testing.T) {
		// While the clock stands still, nothing is reported but what somebody
		// waits for: the generation, three sets of Secrets, and Ready; some of it
		// twice, where the cache does not have the last report yet.
		e.stopped.Store(new(time.Now()))
		defer e.stopped.Store(nil)
		other := e.createTenant(t, "other")
		e.awaitReady(t, other)
		if reports := e.reportsOf(other.Namespace).Load(); reports > 10 {
			t.Errorf("%d reports, want 10 at most: Secrets are not reported together", reports)
		}
	})
	t.Run("not hosted", e.testNotHosted)
	t.Run("renewed leaf", func(t *testing.T) { e.checkRenewal(t, tenant, v1alpha1.SecretScheduler) })
	t.Run("renewed authority", func(t *testing.T) { e.checkRenewal(t, tenant, v1alpha1.SecretCA) })
	t.Run("another name", func(t *testing.T) { e.checkAnotherName(t, tenant) })
	t.Run("invalid spec", func(t *testing.T) { e.checkInvalidSpec(t, tenant) })
	t.Run("drift", func(t *testing.T) { e.checkDrift(t, tenant) })
	t.Run("quota", func(t *testing.T) { e.checkQuota(t, tenant) })
}

// testNotHosted: a team gets nothing from a TenantPKI in its own namespace, and
// what was made for one that no longer counts goes.
func (e *environment) testNotHosted(t *testing.T) {
	awaitNotHosted := func(tenant *v1alpha1.TenantPKI) {
		t.Helper()
		e.await(t, tenant, "TenantPKI is not hosted", func() bool {
			ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
			certificates := &cmv1.CertificateList{}
			if err := e.client.List(t.Context(), certificates, client.InNamespace(tenant.Namespace)); err != nil {
				t.Fatal(err)
			}
			return ready != nil && ready.Reason == "NotHosted" && len(certificates.Items) == 0 && len(tenant.Status.Secrets) == 0
		})
	}
	awaitNotHosted(e.createTenantIn(t, "team", map[string]string{
		v1alpha1.LabelTenant: "team", v1alpha1.LabelTenantName: "demo", v1alpha1.LabelTenantNamespace: "team",
	}))
	tenant := e.createTenant(t, "moved")
	e.awaitReady(t, tenant)
	namespace := &corev1.Namespace{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Name: tenant.Namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	e.patch(t, namespace, func() { delete(namespace.Annotations, v1alpha1.AnnotationTenantUID) })
	awaitNotHosted(tenant)
	// Annotated again, it gets the same keys: nobody has to start anew.
	key := e.secret(t, tenant, v1alpha1.SecretCA).Data["tls.key"]
	e.patch(t, namespace, func() { namespace.Annotations = map[string]string{v1alpha1.AnnotationTenantUID: "uid"} })
	e.awaitReady(t, tenant)
	if !bytes.Equal(key, e.secret(t, tenant, v1alpha1.SecretCA).Data["tls.key"]) {
		t.Error("the authority has another key")
	}
}

// checkIssued verifies every certificate as the components of a control plane will.
func (e *environment) checkIssued(t *testing.T, tenant *v1alpha1.TenantPKI) {
	server, clientAuth := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	type identity struct {
		Authority, CommonName string
		Organization          []string
		Usages                []x509.ExtKeyUsage
	}
	clientOf := func(authority, commonName string, organization ...string) identity {
		return identity{authority, commonName, organization, []x509.ExtKeyUsage{clientAuth}}
	}
	want := map[string]identity{
		"apiserver":                {"ca", "kube-apiserver", nil, []x509.ExtKeyUsage{server}},
		"etcd-server":              {"etcd-ca", "etcd-server", nil, []x509.ExtKeyUsage{server, clientAuth}},
		"etcd-peer":                {"etcd-ca", "etcd-peer", nil, []x509.ExtKeyUsage{server, clientAuth}},
		"apiserver-kubelet-client": clientOf("ca", "kube-apiserver-kubelet-client"),
		"apiserver-etcd-client":    clientOf("etcd-ca", "kube-apiserver-etcd-client"),
		"front-proxy-client":       clientOf("front-proxy-ca", "front-proxy-client"),
		"controller-manager":       clientOf("ca", "system:kube-controller-manager"),
		"scheduler":                clientOf("ca", "system:kube-scheduler"),
		"admin":                    clientOf("ca", "kubernetes-admin", "slipway:cluster-admins"),
		"cluster-operator":         clientOf("ca", "slipway:cluster-operator", "system:masters"),
		"kvm-operator":             clientOf("ca", "slipway:kvm-operator"),
	}
	for name, w := range want {
		leaf := e.verified(t, tenant, name, w.Authority)
		got := identity{w.Authority, leaf.Subject.CommonName, leaf.Subject.Organization, leaf.ExtKeyUsage}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("certificate %s (-want +got):\n%s", name, diff)
		}
	}
	apiServer := e.verified(t, tenant, "apiserver", "ca")
	for _, host := range []string{"localhost", "127.0.0.1", "10.96.0.1", "kube-apiserver." + tenant.Namespace + ".svc"} {
		if err := apiServer.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if got, want := len(tenant.Status.Secrets), len(want)+3+1; got != want {
		t.Errorf("status lists %d Secrets, want %d", got, want)
	}
	if until := time.Until(tenant.Status.NotAfter.Time).Round(24 * time.Hour); until != 90*24*time.Hour {
		t.Errorf("earliest expiry is in %v, want 90 days, those of the user's", until)
	}
}

// checkRenewal renews as `cmctl renew` does. Only this Secret's hash may
// change, and the leaves in use stay valid under the authority.
func (e *environment) checkRenewal(t *testing.T, tenant *v1alpha1.TenantPKI, name string) {
	before := e.settled(t, tenant)
	certificate := &cmv1.Certificate{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: tenant.Namespace, Name: name}, certificate); err != nil {
		t.Fatal(err)
	}
	certificate.Status.Conditions = append(certificate.Status.Conditions, cmv1.CertificateCondition{
		Type: cmv1.CertificateConditionIssuing, Status: cmmeta.ConditionTrue, Reason: "ManuallyTriggered",
	})
	if err := e.client.Status().Update(t.Context(), certificate); err != nil {
		t.Fatal(err)
	}
	e.await(t, tenant, "hash of "+name+" changes", func() bool {
		hash := hashes(tenant)[name]
		return hash != "" && hash != before[name]
	})
	e.awaitReady(t, tenant)
	e.awaitEvent(t, tenant, "CertificateRenewed", name)
	after := hashes(tenant)
	delete(before, name)
	delete(after, name)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("other Secrets changed:\n%s", diff)
	}
	e.verified(t, tenant, v1alpha1.SecretScheduler, v1alpha1.SecretCA)
	e.verified(t, tenant, v1alpha1.SecretAPIServer, v1alpha1.SecretCA)
}

func (e *environment) checkAnotherName(t *testing.T, tenant *v1alpha1.TenantPKI) {
	before := e.settled(t, tenant)
	e.patch(t, tenant, func() {
		tenant.Spec.APIServer.DNSNames = append(tenant.Spec.APIServer.DNSNames, "api.demo.team.example")
	})
	e.awaitReady(t, tenant)
	if err := e.verified(t, tenant, "apiserver", "ca").VerifyHostname("api.demo.team.example"); err != nil {
		t.Error(err)
	}
	after := hashes(tenant)
	if before["apiserver"] == after["apiserver"] {
		t.Error("the API server's certificate changed, its hash did not")
	}
	maps.DeleteFunc(before, func(name, _ string) bool { return name == "apiserver" })
	delete(after, "apiserver")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("other Secrets changed:\n%s", diff)
	}
}

func (e *environment) checkInvalidSpec(t *testing.T, tenant *v1alpha1.TenantPKI) {
	before, valid := hashes(tenant), tenant.Spec.Etcd.IPAddresses
	e.patch(t, tenant, func() { tenant.Spec.Etcd.IPAddresses = []string{"etcd"} })
	e.await(t, tenant, "invalid spec is reported", func() bool {
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		return ready.Reason == "InvalidSpec" && ready.Message == `spec.etcd.ipAddresses: "etcd" is not an IP address`
	})
	if diff := cmp.Diff(before, hashes(tenant)); diff != "" {
		t.Errorf("Secrets in use changed:\n%s", diff)
	}
	e.patch(t, tenant, func() { tenant.Spec.Etcd.IPAddresses = valid })
	e.awaitReady(t, tenant)
}

// checkDrift undoes what others change, and removes what is not desired.
func (e *environment) checkDrift(t *testing.T, tenant *v1alpha1.TenantPKI) {
	issuer := &cmv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: "etcd-ca"}}
	if err := e.client.Delete(t.Context(), issuer); err != nil {
		t.Fatal(err)
	}
	admin := &cmv1.Certificate{}
	adminKey := client.ObjectKey{Namespace: tenant.Namespace, Name: v1alpha1.SecretAdmin}
	if err := e.client.Get(t.Context(), adminKey, admin); err != nil {
		t.Fatal(err)
	}
	e.patch(t, admin, func() { admin.Spec.CommonName = "somebody-else" })
	stale := &cmv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: tenant.Namespace, Name: "stale", Labels: pki.Labels(tenant), OwnerReferences: admin.OwnerReferences,
		},
		Spec: admin.Spec,
	}
	stale.Spec.SecretName = "stale"
	if err := e.client.Create(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	e.await(t, tenant, "drift is undone", func() bool {
		errIssuer := e.client.Get(t.Context(), client.ObjectKeyFromObject(issuer), &cmv1.Issuer{})
		errAdmin := e.client.Get(t.Context(), adminKey, admin)
		errStale := e.client.Get(t.Context(), client.ObjectKeyFromObject(stale), &cmv1.Certificate{})
		return errIssuer == nil && errAdmin == nil && client.IgnoreNotFound(errStale) == nil && errStale != nil &&
			admin.Spec.CommonName == "kubernetes-admin"
	})
	e.awaitReady(t, tenant)
}

// checkQuota has a quota refuse what is missing: it is named until it is gone.
func (e *environment) checkQuota(t *testing.T, tenant *v1alpha1.TenantPKI) {
	none := corev1.ResourceList{"count/issuers.cert-manager.io": resource.MustParse("0")}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: "few"}, Spec: corev1.ResourceQuotaSpec{Hard: none},
	}
	if err := e.client.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	if err := e.client.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	issuer := &cmv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: "ca"}}
	if err := e.client.Delete(t.Context(), issuer); err != nil {
		t.Fatal(err)
	}
	e.await(t, tenant, "the quota is named", func() bool {
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		return ready.Status == metav1.ConditionFalse && ready.Reason == "Refused" &&
			strings.Contains(ready.Message, "Issuer ca") && strings.Contains(ready.Message, "exceeded quota: few") && len(tenant.Status.Secrets) > 0
	})
	if err := e.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	e.awaitReady(t, tenant)
}

// verified loads a Secret as a TLS server or client does, and checks its chain
// against the authority that is now in use.
func (e *environment) verified(t *testing.T, tenant *v1alpha1.TenantPKI, name, authority string) *x509.Certificate {
	t.Helper()
	leaf, ca := e.secret(t, tenant, name), e.secret(t, tenant, authority)
	pair, err := tls.X509KeyPair(leaf.Data["tls.crt"], leaf.Data["tls.key"])
	if err != nil {
		t.Fatalf("Secret %s: %v", name, err)
	}
	if block, _ := pem.Decode(leaf.Data["tls.key"]); block == nil || block.Type != "PRIVATE KEY" {
		t.Errorf("Secret %s: tls.key is not in PKCS 8", name)
	}
	for _, roots := range [][]byte{ca.Data["tls.crt"], leaf.Data["ca.crt"]} {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(roots)
		options := x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := pair.Leaf.Verify(options); err != nil {
			t.Errorf("Secret %s under %s: %v", name, authority, err)
		}
	}
	return pair.Leaf
}

func (e *environment) secret(t *testing.T, tenant *v1alpha1.TenantPKI, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: tenant.Namespace, Name: name}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}
