package image

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeInitrd writes an uncompressed cpio archive with the stage 1 program as /init, and in /modules the kernel modules
// that it loads, with their order. The directory /root is where it mounts the root file system.
func writeInitrd(path, program, modules string) error {
	order, err := loadOrder(modules, initrdModules)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := cpio{w: &archive}
	for _, dir := range []string{"dev", "proc", "sys", "root", "modules"} {
		w.directory(dir)
	}
	var list strings.Builder
	for _, m := range order {
		content, err := os.ReadFile(filepath.Join(modules, m))
		if err != nil {
			return err
		}
		w.file("modules/"+filepath.Base(m), 0o644, content)
		fmt.Fprintln(&list, filepath.Base(m))
	}
	w.file("modules/order", 0o644, []byte(list.String()))
	init, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	w.file("init", 0o755, init)
	w.end()
	if w.err != nil {
		return w.err
	}
	return os.WriteFile(path, archive.Bytes(), 0o644)
}

// cpio writes the "new ASCII" format that the kernel unpacks; see the kernel's initramfs buffer format.
type cpio struct {
	w     io.Writer
	inode int
	err   error
}

const (
	cpioDirectory = 0o040000
	cpioRegular   = 0o100000
)

func (c *cpio) directory(name string) { c.entry(name, cpioDirectory|0o755, nil) }

func (c *cpio) file(name string, mode int, content []byte) { c.entry(name, cpioRegular|mode, content) }

func (c *cpio) end() { c.entry("TRAILER!!!", 0, nil) }

func (c *cpio) entry(name string, mode int, content []byte) {
	if c.err != nil {
		return
	}
	c.inode++
	header := "070701"
	// inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of name with its end, checksum
	for _, field := range []int{c.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0} {
		header += fmt.Sprintf("%08X", field)
	}
	head := append([]byte(header+name), 0)
	_, c.err = c.w.Write(slices.Concat(pad4(head), pad4(content)))
}

func pad4(b []byte) []byte { return append(slices.Clone(b), make([]byte, (4-len(b)%4)%4)...) }

// lowerChecksum appends zeros to a file until its CRC-32 is below 2^31. KubeVirt keeps the checksums of kernel, initrd
// and container disk in unsigned fields that its own CRD declares as int32, and a guest whose checksum is larger is
// never reported as running. None of the three minds zeros at its end.
func lowerChecksum(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, bufio.NewReader(f))
	if err != nil {
		return err
	}
	zeros := make([]byte, 4096) // a disk consists of whole blocks
	for tries := 0; sum.Sum32() >= 1<<31; tries++ {
		if tries == 1000 {
			return errors.New("no padding lowers the checksum of " + path)
		}
		if _, err := f.WriteAt(zeros, size); err != nil {
			return err
		}
		size += int64(len(zeros))
		sum.Write(zeros)
	}
	return nil
}
