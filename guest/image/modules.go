package image

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// initrdModules find and mount the root disk.
var initrdModules = []string{"virtio_blk", "erofs"}

// earlyModules are loaded before anything is started, podModules before the first pod runs; in this order. Drivers of
// devices belong to the former: they are loaded while only one processor is on (ADR 6). All others
// that the image has are loaded when the kernel asks for them, which costs a process each time.
var (
	earlyModules = []string{"overlay", "virtio_net", "isofs", "virtio_rng", "evdev", "button"}
	podModules   = []string{
		"bridge", "br_netfilter", "veth",
		"nf_conntrack", "nf_nat", "nf_tables", "nft_ct", "nft_nat", "nft_chain_nat", "nft_masq", "nft_fib_inet",
		"nft_numgen", "nft_hash", "nft_limit", "nft_reject_inet", "nft_redir",
		"nft_queue", "nfnetlink_queue",
	}
)

// wantedModule says whether a module, named by its path below kernel/, may be of use in a virtual machine that runs
// containers: networks, file systems, ciphers, and virtio.
func wantedModule(path string) bool {
	for _, unwanted := range []string{
		"fs/ocfs2/", "fs/gfs2/", "fs/dlm/", "fs/jfs/", "fs/reiserfs/", "fs/hfs/", "fs/hfsplus/", "fs/ufs/", "fs/minix/", "fs/coda/",
		"fs/afs/", "fs/orangefs/", "fs/nilfs2/", "fs/f2fs/", "fs/udf/", "fs/jffs2/", "fs/ubifs/", "fs/btrfs/", "fs/bcachefs/",
		"net/bluetooth/", "net/wireless/", "net/mac80211/", "net/nfc/", "net/can/", "net/ax25/", "net/x25/", "net/lapb/",
		"net/rds/", "net/tipc/", "net/batman-adv/", "net/ceph/", "net/dccp/", "net/appletalk/", "net/6lowpan/", "net/ieee802154/",
	} {
		if strings.HasPrefix(path, unwanted) {
			return false
		}
	}
	for _, wanted := range []string{
		"arch/", "block/", "crypto/", "fs/", "lib/", "mm/", "net/", "drivers/acpi/", "drivers/block/", "drivers/char/hw_random/",
		"drivers/crypto/virtio/", "drivers/input/evdev", "drivers/md/", "drivers/net/bonding/", "drivers/net/dummy", "drivers/net/geneve",
		"drivers/net/ifb", "drivers/net/ipvlan/", "drivers/net/macvlan", "drivers/net/macvtap", "drivers/net/tap", "drivers/net/tun",
		"drivers/net/veth", "drivers/net/virtio_net", "drivers/net/vrf", "drivers/net/vxlan/", "drivers/net/wireguard/",
		"drivers/net/net_failover", "drivers/net/vcan", "drivers/target/", "drivers/virtio/", "drivers/vhost/", "drivers/watchdog/i6300esb",
		"drivers/watchdog/softdog", "drivers/firmware/", "drivers/scsi/scsi_mod", "drivers/scsi/sd_mod", "drivers/scsi/virtio_scsi",
		"drivers/scsi/iscsi", "drivers/scsi/libiscsi", "drivers/scsi/scsi_transport_iscsi", "drivers/scsi/scsi_common",
	} {
		if strings.HasPrefix(path, wanted) {
			return true
		}
	}
	return false
}

// pruneModules removes the modules that are neither wanted nor needed by one that is, and decompresses those that every
// guest loads, which would take an emulated one long. The others stay as Debian has them, at a third of their size.
func pruneModules(ctx context.Context, root, release string) error {
	if err := run(exec.CommandContext(ctx, "depmod", "-b", root, release)); err != nil {
		return err
	}
	dir := filepath.Join(root, "usr/lib/modules", release)
	depends, _, err := readDependencies(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for module, needs := range depends {
		if wantedModule(strings.TrimPrefix(module, "kernel/")) {
			keep[module] = true
			for _, n := range needs {
				keep[n] = true
			}
		}
	}
	for _, module := range sortedKeys(depends) {
		if !keep[module] {
			if err := os.Remove(filepath.Join(dir, module)); err != nil {
				return err
			}
		}
	}
	loaded, err := loadOrder(dir, slices.Concat(initrdModules, earlyModules, podModules))
	if err != nil {
		return err
	}
	decompress := exec.CommandContext(ctx, "xz", "--decompress")
	for _, module := range loaded {
		if strings.HasSuffix(module, ".xz") {
			decompress.Args = append(decompress.Args, filepath.Join(dir, module))
		}
	}
	if err := run(decompress); err != nil {
		return err
	}
	return run(exec.CommandContext(ctx, "depmod", "-b", root, release))
}

// writeLoadOrder writes a list for the guest's init into dir, with paths relative to dir.
func writeLoadOrder(dir, release, list string, modules []string) error {
	order, err := loadOrder(filepath.Join(dir, release), modules)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, m := range order {
		fmt.Fprintf(&lines, "%s/%s\n", release, m)
	}
	return os.WriteFile(filepath.Join(dir, list), []byte(lines.String()), 0o644)
}

// loadOrder resolves modules to their paths below dir, each behind those which it depends on, as dir's modules.dep says.
func loadOrder(dir string, modules []string) ([]string, error) {
	depends, paths, err := readDependencies(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	var order []string
	for _, m := range modules {
		path, ok := paths[m]
		if !ok {
			return nil, fmt.Errorf("kernel has no module %s", m)
		}
		// modules.dep lists every dependency, deepest last.
		needed := slices.Clone(depends[path])
		slices.Reverse(needed)
		for _, p := range append(needed, path) {
			if !slices.Contains(order, p) {
				order = append(order, p)
			}
		}
	}
	return order, nil
}

func readDependencies(path string) (depends map[string][]string, paths map[string]string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	depends, paths = map[string][]string{}, map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		module, needs, _ := strings.Cut(lines.Text(), ":")
		depends[module] = strings.Fields(needs)
		name, _, _ := strings.Cut(filepath.Base(module), ".ko")
		paths[strings.ReplaceAll(name, "-", "_")] = module
	}
	return depends, paths, lines.Err()
}
