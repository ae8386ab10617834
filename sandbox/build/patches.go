package build

import (
	"os/exec"
	"sync"
)

// bridgeForDummy serves kernels without dummy devices. KubeVirt's bridge binding parks the pod's address on a dummy
// device while the guest uses it; a bridge without ports does the same job.
var bridgeForDummy = &Patch{
	Name:   "bridge-for-dummy",
	File:   "pkg/network/setup/netpod/netpod.go",
	Old:    "nmstate.TypeDummy",
	New:    "nmstate.TypeBridge",
	Times:  2,
	Wanted: func() bool { return !kernelHasDummy() },
}

// oneProvider builds external-dns with the provider and the registry that the sandbox uses. With all of them the compiler
// has four times as much to do, most of it for public clouds.
var oneProvider = &Patch{
	Name: "one-provider",
	Replace: map[string]string{
		"provider/factory/provider.go": "_patch/provider.go",
		"registry/factory/registry.go": "_patch/registry.go",
	},
}

// kernelHasDummy tries to make a dummy device in a network namespace of its own, which lets the kernel load the module.
var kernelHasDummy = sync.OnceValue(func() bool {
	return exec.Command("unshare", "--net", "ip", "link", "add", "probe0", "type", "dummy").Run() == nil
})
