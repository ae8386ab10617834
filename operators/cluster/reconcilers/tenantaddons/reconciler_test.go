package tenantaddons

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	admissionapi "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/operators/cluster/addons"
	"slipway.dev/operators/cluster/controlplane"
)

// What happens to one tenant, one thing after another.
func TestReconciler(t *testing.T) {
	e := newEnvironment(t)
	e.await("False Pending: waiting for the control plane")
	e.create(e.apiServer())
	e.await("True Ready: ")
	for _, object := range []client.Object{&corev1.ConfigMap{}, &corev1.ServiceAccount{}, e.coreDNS()} {
		if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: addons.CoreDNSNamespace, Name: addons.CoreDNS}, object); err != nil {
			t.Errorf("add-on: %v", err)
		}
	}
	step := func(name string, test func(*environment)) {
		t.Run(name, func(t *testing.T) {
			e.T = t
			test(e)
		})
		e.T = t
	}
	step("cluster DNS is waited for where it can run", waitsForClusterDNS)
	step("settled, it writes nothing", writesNothingSettled)
	step("cluster DNS that was removed comes back", restoresClusterDNS)
	step("cluster DNS that was changed is as before", undoesChangesOfClusterDNS)
	step("other add-ons come back when they are checked", restoresAddOns)
	step("a webhook that refuses is named", namesRefusingWebhook)
	step("a webhook that never answers is named", namesSlowWebhook)
	step("an API that does not answer is noticed, and its return", noticesSilence)
	step("after a restart nothing is claimed for long", claimsNothingAfterARestart)
	step("a tenant that goes is left alone", leavesDeletedTenantsAlone)
}

func (e *environment) apiServer() *appsv1.StatefulSet {
	labels := map[string]string{"app": "x"}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: controlplane.APIServer},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}
}

func (e *environment) coreDNS() *appsv1.Deployment {
	e.Helper()
	deployment := &appsv1.Deployment{}
	if err := e.client.Get(e.Context(), client.ObjectKey{Namespace: addons.CoreDNSNamespace, Name: addons.CoreDNS}, deployment); err != nil {
		e.Fatal(err)
	}
	return deployment
}

// runCoreDNS does the work of the tenant's Deployment controller.
func (e *environment) runCoreDNS() {
	e.Helper()
	deployment := e.coreDNS()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	if err := e.client.Status().Update(e.Context(), deployment); err != nil {
		e.Fatal(err)
	}
}

func waitsForClusterDNS(e *environment) {
	e.create(&v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.hosted, Name: "a"},
		Spec: v1alpha1.NodePoolSpec{Replicas: new(int32(1)), Template: v1alpha1.MachineSpec{
			Version: "v1.36.3", NetworkName: "demo", Cluster: v1alpha1.MachineCluster{PodCIDR: "10.244.0.0/16", CNI: v1alpha1.CNIBridge},
		}},
	})
	e.await("False Progressing: Deployment kube-system/coredns of the tenant: is being rolled out")
	e.runCoreDNS()
	e.await("True Ready: ")
}

func writesNothingSettled(e *environment) {
	e.reconcile()
	before := e.cluster().ResourceVersion
	dns := e.coreDNS().ResourceVersion
	e.writes.Store(0)
	e.reconcile()
	if writes := e.writes.Load(); writes != 0 || e.cluster().ResourceVersion != before || e.coreDNS().ResourceVersion != dns {
		e.Errorf("%d writes with nothing to say", writes)
	}
}

func restoresClusterDNS(e *environment) {
	old := e.coreDNS()
	if err := e.client.Delete(e.Context(), old); err != nil {
		e.Fatal(err)
	}
	e.await("False Progressing: Deployment kube-system/coredns of the tenant: is being rolled out")
	if e.coreDNS().UID == old.UID {
		e.Error("the Deployment has not come back")
	}
	e.runCoreDNS()
	e.await("True Ready: ")
}

func undoesChangesOfClusterDNS(e *environment) {
	changed := e.coreDNS()
	changed.Spec.Replicas = new(int32(0))
	if err := e.client.Update(e.Context(), changed); err != nil {
		e.Fatal(err)
	}
	e.await("False Progressing: Deployment kube-system/coredns of the tenant: is being rolled out")
	if got := *e.coreDNS().Spec.Replicas; got != 1 {
		e.Errorf("%d replicas, want 1", got)
	}
	e.runCoreDNS()
	e.await("True Ready: ")
}

func restoresAddOns(e *environment) {
	get := func(name string, object client.Object) error {
		return e.client.Get(e.Context(), client.ObjectKey{Namespace: object.GetNamespace(), Name: name}, object)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: addons.CoreDNSNamespace, Name: "kube-dns"}}
	bootstrap := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "slipway:kubelet-bootstrap"}}
	operator := &rbacv1.ClusterRoleBinding{}
	untouched := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: addons.CoreDNSNamespace}}
	err := errors.Join(
		e.client.Delete(e.Context(), service), e.client.Delete(e.Context(), bootstrap),
		get(v1alpha1.UserKVMOperator, operator), get(addons.CoreDNS, untouched))
	if err != nil {
		e.Fatal(err)
	}
	operator.Subjects = nil
	if err := e.client.Update(e.Context(), operator); err != nil {
		e.Fatal(err)
	}
	// The time of the check is asked for, and it comes with nothing to wake it.
	e.clock.SetTime(e.clock.Now().Add(e.reconcile().RequeueAfter))
	if again := e.reconcile().RequeueAfter; again < checkInterval || again > 2*checkInterval {
		e.Errorf("the next check is in %s, want about %s", again, checkInterval)
	}
	version := untouched.ResourceVersion
	err = errors.Join(
		get("kube-dns", service), get("slipway:kubelet-bootstrap", bootstrap),
		get(v1alpha1.UserKVMOperator, operator), get(addons.CoreDNS, untouched))
	if err != nil {
		e.Error(err)
	}
	if len(operator.Subjects) != 1 {
		e.Errorf("subjects of %s: %v", operator.Name, operator.Subjects)
	}
	if untouched.ResourceVersion != version {
		e.Error("the check has written what nobody had touched")
	}
	e.await("True Ready: ")
}

// webhook serves a webhook of the tenant for ConfigMaps in kube-system.
func (e *environment) webhook(name string, serve http.HandlerFunc) (remove func()) {
	e.Helper()
	server := httptest.NewTLSServer(serve)
	e.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	configuration := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: name, AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionv1.SideEffectClassNone), TimeoutSeconds: new(int32(30)),
			ClientConfig: admissionv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.OperationAll},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: addons.CoreDNSNamespace}},
		}},
	}
	e.create(configuration)
	return func() {
		e.Helper()
		if err := e.client.Delete(e.Context(), configuration); err != nil {
			e.Fatal(err)
		}
	}
}

func deny(w http.ResponseWriter, r *http.Request) {
	review := admissionapi.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionapi.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "call 555"}}
	_ = json.NewEncoder(w).Encode(review)
}

func (e *environment) refuses(name, outcome string, serve http.HandlerFunc) {
	e.Helper()
	remove := e.webhook(name, serve)
	e.restart()
	e.await(fmt.Sprintf("False TenantWebhook: webhook %s of the tenant %s ConfigMap coredns; remove it or exempt kube-system", name, outcome))
	remove()
	e.await("True Ready: ")
}

func namesRefusingWebhook(e *environment) {
	e.refuses("policy.example.com", "refused", deny)
}

func namesSlowWebhook(e *environment) {
	e.refuses("slow.example.com", "timed out on", func(_ http.ResponseWriter, r *http.Request) {
		// Only with nothing left to read does a server notice that its client has gone.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
}

const silent = "Unknown TenantAPIUnreachable"

func noticesSilence(e *environment) {
	e.line.cut()
	if took := e.await(silent); took > 15*time.Second {
		e.Errorf("noticed after %s", took)
	}
	e.line.mend()
	e.await("True Ready: ")
}

func claimsNothingAfterARestart(e *environment) {
	e.line.cut()
	e.restart()
	e.reconcile()
	if got := e.condition(); got != "True Ready: " {
		e.Errorf("the restart alone made it %q", got)
	}
	if took := e.await(silent); took > 15*time.Second {
		e.Errorf("claimed what nobody knew for %s", took)
	}
	e.line.mend()
	e.await("True Ready: ")
}

func leavesDeletedTenantsAlone(e *environment) {
	e.line.cut()
	if err := e.client.Delete(e.Context(), e.cluster()); err != nil {
		e.Fatal(err)
	}
	e.await("False Deleting: the tenant is being removed")
}
