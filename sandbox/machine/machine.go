// Package machine describes what all machines of a sandbox have in common: the
// files below /etc that every Linux program expects, and how the machine is
// started with them.
package machine

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"slipway.dev/sandbox/supervise"
)

// Files maps paths inside a machine to their contents.
type Files map[string]File

// File is one file. A zero Mode means 0644.
type File struct {
	Content []byte
	Mode    fs.FileMode
}

// Text is a file that everybody may read.
func Text(content string) File { return File{Content: []byte(content)} }

// Secret is a file that only root may read.
func Secret(content []byte) File { return File{Content: content, Mode: 0o600} }

// Add puts more files into the set.
func (f Files) Add(more Files) { maps.Copy(f, more) }

// Write puts the files below root.
func (f Files) Write(root string) error {
	for path, file := range f {
		target := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		mode := file.Mode
		if mode == 0 {
			mode = 0o644
		}
		if err := os.WriteFile(target, file.Content, mode); err != nil {
			return err
		}
		// The mode above counts only for a new file.
		if err := os.Chmod(target, mode); err != nil {
			return err
		}
	}
	return nil
}

// Machine is one machine of the sandbox before it is started.
type Machine struct {
	// Namespace and Cgroup name where its processes live.
	Namespace string
	Cgroup    string
	Files     Files
	Spec      supervise.Spec
}

// Identity is the set of files that gives a machine its name.
func Identity(hostname string, hosts map[string]netip.Addr, nameserver netip.Addr) Files {
	list := "127.0.0.1 localhost\n"
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		list += fmt.Sprintf("%s %s\n", hosts[name], name)
	}
	id := sha256.Sum256([]byte(hostname))
	return Files{
		"/etc/hostname":      Text(hostname + "\n"),
		"/etc/hosts":         Text(list),
		"/etc/machine-id":    Text(fmt.Sprintf("%x\n", id[:16])),
		"/etc/resolv.conf":   Text(fmt.Sprintf("nameserver %s\n", nameserver)),
		"/etc/nsswitch.conf": Text("passwd: files\ngroup: files\nhosts: files dns\n"),
		"/etc/passwd":        Text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
		"/etc/group":         Text("root:x:0:\nkvm:x:107:\nnogroup:x:65534:\n"),
	}
}
