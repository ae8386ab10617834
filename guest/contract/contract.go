// Package contract holds what the guest image and whoever writes its virtual machine must agree on: where the image
// keeps its parts, how disks are told apart, and which files cloud-init data has to bring. It imports nothing, so that
// an operator can use it without taking the guest's code along.
package contract

// The kernel-boot container image, which at the same time is the container disk of the root file system.
const (
	ImageName   = "guest"            // repository below the registry; the tag is the Kubernetes version
	KernelPath  = "/boot/vmlinuz"    // kernelBoot.container.kernelPath
	InitrdPath  = "/boot/initrd.img" // kernelBoot.container.initrdPath
	RootPath    = "/disk/root.img"   // containerDisk path: the read-only root file system
	KernelArgs  = "console=ttyS0 quiet panic=10 " + tuning
	FileOwnerID = 107 // uid and gid of the files in the image: qemu's in KubeVirt
)

// tuning keeps the kernel from spending boot time on what a virtual machine does not need. Timings under emulation are
// jittery enough to mark the TSC unstable and fall back to a slower clock; five page-table levels are walked in software
// there; and huge pages that nobody asked for have to be cleared. The kernel starts on one processor, and init turns on
// the others when drivers have set up the devices: before that, emulated guests hang now and then (ADR 6).
const tuning = "maxcpus=1 no5lvl transparent_hugepage=madvise tsc=reliable no_timer_check random.trust_cpu=on cryptomgr.notests rcupdate.rcu_expedited=1 audit=0"

// EmulationKernelArgs follow KernelArgs where guests are emulated. The processor's flaws which the kernel works around do
// not exist there, and the work-arounds take a tenth of the time that a guest needs to become Ready. To measure how fast the
// second processor is takes another two seconds, and fails as often as not: lpj is right for one of 3 GHz, and near enough
// for others, as the devices of an emulated guest need no exact delays.
const EmulationKernelArgs = "mitigations=off lpj=12000000"

// Serials of the virtio disks; the kernel shows them in /sys/block/<disk>/serial. At most 20 bytes.
const (
	RootDiskSerial  = "root"
	StateDiskSerial = "state"
)

// CloudInitLabel is the label of the NoCloud data source's file system, in lower or upper case.
const CloudInitLabel = "cidata"

// Files which cloud-init data brings. A file that is absent leaves out what it configures.
const (
	KubeletConfig       = "/etc/kubernetes/kubelet.yaml"           // KubeletConfiguration; without it no kubelet starts
	KubeletEnv          = "/etc/kubernetes/kubelet.env"            // the two variables below
	BootstrapKubeconfig = "/etc/kubernetes/bootstrap-kubelet.conf" // carries the machine's bootstrap token
	ClusterCA           = "/etc/kubernetes/pki/ca.crt"             //
	KubeProxyConfig     = "/etc/kubernetes/kube-proxy.yaml"        // KubeProxyConfiguration; without it no kube-proxy starts
	KubeProxyKubeconfig = "/etc/kubernetes/kube-proxy.conf"        // refers to KubeletClientCert; kube-network-policies uses it too
	RegistryHosts       = "/etc/containerd/certs.d"                // <registry>/hosts.toml and CAs
	CNITemplate         = "/etc/containerd/cni.tmpl"               // containerd renders it with the node's pod CIDR; without it the pod network and its policies are the tenant's business
)

// Variables of KubeletEnv, both optional.
const (
	KubeletArgs         = "KUBELET_ARGS"                  // flags that the configuration has no field for
	ShutdownGracePeriod = "SHUTDOWN_GRACE_PERIOD_SECONDS" // how long pods have to end when the guest is stopped
)

// DefaultShutdownGracePeriodSeconds is short: pods that matter were evicted before.
const DefaultShutdownGracePeriodSeconds = 5

// Paths which the guest makes.
const (
	KubeletKubeconfig  = "/var/lib/kubelet/kubeconfig"                     // the kubelet writes it after its bootstrap
	KubeletClientCert  = "/var/lib/kubelet/pki/kubelet-client-current.pem" // certificate and key; kube-proxy uses it too
	ContainerdSocket   = "/run/containerd/containerd.sock"
	ContainerdEndpoint = "unix://" + ContainerdSocket // KubeletConfiguration.containerRuntimeEndpoint
	CNIConfigDir       = "/etc/cni/net.d"
	CNIPluginDir       = "/opt/cni/bin"
	LogDir             = "/var/log"
	InitLog            = LogDir + "/init.log"
)

// The Secret in kube-system of the tenant that has the files below RegistryHosts as they should be now. Its one key holds a
// JSON object of their contents by path.
const (
	RegistriesSecret = "slipway-registries"
	RegistriesKey    = "files.json"
)

// CgroupDriver is what KubeletConfiguration.cgroupDriver must say: there is no systemd in the guest.
const CgroupDriver = "cgroupfs"
