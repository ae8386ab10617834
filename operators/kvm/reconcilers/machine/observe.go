package machine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/contract"
	"slipway.dev/kit/tenantapi"
	"slipway.dev/operators/kvm/bootstrap"
	"slipway.dev/operators/kvm/tenant"
)

// caKey is where Secrets have the certificate of an authority.
const caKey = "ca.crt"

// observation is all that a reconciliation knows. Pointers are nil for what
// does not exist.
type observation struct {
	// now is the operator's, with which times in the status are compared.
	now     time.Time
	machine *v1alpha1.Machine
	// namespace is nil of a Machine that somebody has made where it counts for nothing.
	namespace *metav1.PartialObjectMetadata
	pool      *v1alpha1.NodePool
	port      *v1alpha1.NetworkPort
	vm        *kubevirtv1.VirtualMachine
	vmi       *kubevirtv1.VirtualMachineInstance
	// bootstrap is the Secret with the cloud-init data and the token.
	bootstrap  *corev1.Secret
	clusterCA  []byte
	registries []bootstrap.Registry
	// missing names the inputs that the bootstrap data waits for, sorted.
	missing []string
	// invalid says why no bootstrap data can be made of the Machine's specification.
	invalid string
	// refused says why the API server did not take an object; nil when it took all.
	refused *metav1.Condition
	// image of the guest; empty when it may not run one, and imageMissing says why.
	image        string
	imageMissing string
	// kubeconfig is the Secret with which the tenant is reached.
	kubeconfig *corev1.Secret
	// tenant is nil while the tenant's API does not answer, and down says why.
	tenant *tenantapi.Tenant
	down   *tenantapi.NotConnectedError
	node   *corev1.Node
	// certificate says why one that the worker asked for is not approved.
	certificate *tenant.Refusal
	// tenantGoing is true when the whole tenant is being deleted.
	tenantGoing bool
}

func (r *Reconciler) observe(ctx context.Context, key types.NamespacedName) (*observation, error) {
	machine, err := get(ctx, r.Client, key, &v1alpha1.Machine{})
	if machine == nil || err != nil {
		return nil, err
	}
	o := &observation{now: r.Clock.Now(), machine: machine, certificate: r.Refusals.Of(key)}
	if o.namespace, err = tenant.Hosted(ctx, r.Client, key.Namespace); err != nil {
		return nil, err
	}
	pool := types.NamespacedName{Namespace: key.Namespace, Name: machine.Labels[v1alpha1.LabelPool]}
	if o.pool, err = get(ctx, r.Client, pool, &v1alpha1.NodePool{}); err != nil {
		return nil, err
	}
	if o.port, err = get(ctx, r.Client, key, &v1alpha1.NetworkPort{}); err != nil {
		return nil, err
	}
	if o.vm, err = get(ctx, r.Client, key, &kubevirtv1.VirtualMachine{}); err != nil {
		return nil, err
	}
	if o.vmi, err = get(ctx, r.Client, key, &kubevirtv1.VirtualMachineInstance{}); err != nil {
		return nil, err
	}
	if o.bootstrap, err = r.secret(ctx, o, bootstrap.SecretName(key.Name)); err != nil {
		return nil, err
	}
	if o.image, err = r.guestImage(machine); err != nil {
		o.imageMissing = err.Error()
	}
	if err := r.observeInputs(ctx, o); err != nil {
		return nil, err
	}
	if err := r.observeTenant(ctx, o); err != nil {
		return nil, err
	}
	if o.tenantGoing, err = r.tenantIsGoing(ctx, key.Namespace); err != nil {
		return nil, err
	}
	return o, o.checkOwnership()
}

func (r *Reconciler) guestImage(machine *v1alpha1.Machine) (string, error) {
	return r.Options.Digests.Reference(r.Options.Registry, contract.ImageName+":"+string(machine.Spec.Version))
}

// observeInputs reads the Secrets that the bootstrap data is made from.
func (r *Reconciler) observeInputs(ctx context.Context, o *observation) error {
	read := func(name, key string) ([]byte, error) {
		secret, err := r.secret(ctx, o, name)
		if err != nil {
			return nil, err
		}
		if secret == nil || len(secret.Data[key]) == 0 {
			o.missing = append(o.missing, fmt.Sprintf("key %s of Secret %s", key, name))
			return nil, nil
		}
		return secret.Data[key], nil
	}
	var err error
	if o.clusterCA, err = read(v1alpha1.SecretCA, caKey); err != nil {
		return err
	}
	for _, spec := range o.machine.Spec.Cluster.Registries {
		registry := bootstrap.Registry{Host: spec.Host, Endpoint: spec.Endpoint}
		if spec.CASecretName != "" {
			if registry.CA, err = read(spec.CASecretName, caKey); err != nil {
				return err
			}
		}
		if spec.CredentialsSecretName != "" {
			username, err := read(spec.CredentialsSecretName, corev1.BasicAuthUsernameKey)
			if err != nil {
				return err
			}
			password, err := read(spec.CredentialsSecretName, corev1.BasicAuthPasswordKey)
			if err != nil {
				return err
			}
			registry.Username, registry.Password = string(username), string(password)
		}
		o.registries = append(o.registries, registry)
	}
	slices.Sort(o.missing)
	return nil
}

func (r *Reconciler) observeTenant(ctx context.Context, o *observation) error {
	var err error
	if o.kubeconfig, err = r.secret(ctx, o, v1alpha1.SecretKVMOperatorKubeconfig); o.kubeconfig == nil || err != nil {
		return err
	}
	o.tenant, err = r.Tenants.Tenant(ctx, o.kubeconfig)
	if errors.As(err, &o.down) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reach tenant: %w", err)
	}
	o.node, err = get(ctx, o.tenant, types.NamespacedName{Name: o.machine.Name}, &corev1.Node{})
	return err
}

// tenantIsGoing is true when the TenantCluster of a hosted namespace is being
// deleted, or is gone.
func (r *Reconciler) tenantIsGoing(ctx context.Context, namespace string) (bool, error) {
	var clusters v1alpha1.TenantClusterList
	if err := r.Client.List(ctx, &clusters, client.MatchingFields{HostedNamespaceField: namespace}); err != nil {
		return false, fmt.Errorf("list TenantClusters: %w", err)
	}
	for _, cluster := range clusters.Items {
		if cluster.DeletionTimestamp == nil {
			return false, nil
		}
	}
	return true, nil
}

// secret reads one beside the Machine. Nothing grants it outside of hosted
// namespaces, and one that goes has lost its RoleBindings and its Secrets before
// its Machines, which must not wait for them.
func (r *Reconciler) secret(ctx context.Context, o *observation, name string) (*corev1.Secret, error) {
	if o.namespace == nil || o.namespace.DeletionTimestamp != nil {
		return nil, nil
	}
	return get(ctx, r.Client, types.NamespacedName{Namespace: o.machine.Namespace, Name: name}, &corev1.Secret{})
}

// checkOwnership refuses objects of this Machine's name that are another's,
// such as those of a Machine that had the name before and are still seen.
func (o *observation) checkOwnership() error {
	objects := []client.Object{}
	if o.port != nil {
		objects = append(objects, o.port)
	}
	if o.bootstrap != nil {
		objects = append(objects, o.bootstrap)
	}
	if o.vm != nil {
		objects = append(objects, o.vm)
	}
	for _, object := range objects {
		if !metav1.IsControlledBy(object, o.machine) {
			return fmt.Errorf("%T %s exists and belongs to another", object, object.GetName())
		}
	}
	return nil
}

// hasIdentity is true when the NIC's addresses are allocated and will stay.
func (o *observation) hasIdentity() bool {
	return o.port != nil && o.port.DeletionTimestamp == nil && o.port.Status.MACAddress != "" &&
		o.port.Status.IPAddress != "" && o.port.Status.PrefixLength > 0
}

// joined is true when the guest that runs now has reported as a Node. A guest
// that was started anew has lost its certificate with its disk, and joins again.
func (o *observation) joined() bool {
	if o.vmi == nil || o.node == nil {
		return false
	}
	ready := nodeReady(o.node)
	return ready != nil && ready.LastHeartbeatTime.After(o.vmi.CreationTimestamp.Time)
}

func nodeReady(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// podCIDR is the range that the tenant's controller manager gave the Node;
// empty while it has none. A tenant may write what it likes into its Nodes:
// only ranges inside the tenant's own are believed.
func (o *observation) podCIDR() string {
	if o.node == nil {
		return ""
	}
	all, err := netip.ParsePrefix(string(o.machine.Spec.Cluster.PodCIDR))
	if err != nil {
		return ""
	}
	own, err := netip.ParsePrefix(o.node.Spec.PodCIDR)
	if err != nil || own != own.Masked() || own.Bits() < all.Bits() || !all.Contains(own.Addr()) {
		return ""
	}
	return own.String()
}

// get reads an object and gives nil where there is none.
func get[T client.Object](ctx context.Context, reader client.Reader, key types.NamespacedName, object T) (T, error) {
	var none T
	err := reader.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("get %T %s: %w", object, key.Name, err)
	}
	return object, nil
}
