package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/guest/blockdev"
	"slipway.dev/guest/cloudinit"
	"slipway.dev/guest/contract"
	"slipway.dev/guest/netconf"
)

const cidataWait = 10 * time.Second

// applyCloudInit makes this machine what its cloud-init data says: name, files, network. A machine without such data
// stays a running system that belongs to no cluster.
func (m *machine) applyCloudInit(ctx context.Context) error {
	if err := netconf.Loopback(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cidataWait)
	defer cancel()
	files, err := readCloudInit(ctx)
	if err != nil {
		return err
	}
	config, err := cloudinit.ParseUserData(files["user-data"])
	if err != nil {
		return err
	}
	if config.Hostname == "" {
		if config.Hostname, err = cloudinit.ParseMetaData(files["meta-data"]); err != nil {
			return err
		}
	}
	if err := setHostname(config.Hostname); err != nil {
		return err
	}
	network, err := cloudinit.ParseNetwork(files["network-config"])
	if err != nil {
		return err
	}
	if err := os.WriteFile("/etc/resolv.conf", []byte(network.ResolvConf()), 0o644); err != nil {
		return err
	}
	for _, f := range config.Files {
		if err := writeFile("/", f); err != nil {
			return err
		}
	}
	m.report("%s has its files", config.Hostname)
	for _, e := range network.Ethernets {
		if err := blockdev.Await(ctx, func() error { return netconf.Apply(e) }); err != nil {
			return fmt.Errorf("network: %w", err)
		}
		m.report("network up %v", e.Addresses)
	}
	return nil
}

// readCloudInit returns the NoCloud files that exist. The disk is not kept mounted, as it holds the bootstrap token.
func readCloudInit(ctx context.Context) (map[string][]byte, error) {
	var device, fstype string
	if err := blockdev.Await(ctx, func() (err error) {
		device, fstype, err = blockdev.Host.ByLabel(contract.CloudInitLabel)
		return err
	}); err != nil {
		return nil, fmt.Errorf("find cloud-init data: %w", err)
	}
	dir, err := os.MkdirTemp(runtimeDir, "cidata-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	if err := unix.Mount(device, dir, fstype, unix.MS_RDONLY|noExec, ""); err != nil {
		return nil, fmt.Errorf("mount %s: %w", device, err)
	}
	defer func() { _ = unix.Unmount(dir, 0) }()

	files := map[string][]byte{}
	for _, name := range []string{"user-data", "meta-data", "network-config"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}

func setHostname(name string) error {
	if name == "" {
		return errors.New("cloud-init data has no host name")
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	if err := os.WriteFile("/etc/hostname", []byte(name+"\n"), 0o644); err != nil {
		return err
	}
	if err := writeMachineID("/sys/class/dmi/id/product_uuid", "/etc/machine-id"); err != nil {
		return err
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 %s\n", name)
	return os.WriteFile("/etc/hosts", []byte(hosts), 0o644)
}

// writeMachineID derives the machine's identity from the one that the hypervisor gave it, as systemd does, so that it is
// unique among clones of one image and stays the same over restarts.
func writeMachineID(uuid, path string) error {
	content, err := os.ReadFile(uuid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	id := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(content)), "-", ""))
	return os.WriteFile(path, []byte(id+"\n"), 0o444)
}

// writeFile writes one file below root, replacing it unless it is to be appended to.
func writeFile(root string, f cloudinit.File) error {
	path := filepath.Join(root, f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if f.Append {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(f.Content)
	// Owner before mode, as changing the owner clears set-user-ID bits.
	return errors.Join(err, file.Chown(f.UID, f.GID), unix.Fchmod(int(file.Fd()), f.Mode), file.Close())
}
