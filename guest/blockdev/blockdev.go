// Package blockdev finds the guest's disks and tells what is on them.
package blockdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Finder looks for block devices. The zero value does not work; use Host, or directories of a test.
type Finder struct {
	SysBlock string // /sys/block
	Dev      string // /dev
}

// Host finds the running system's disks.
var Host = Finder{SysBlock: "/sys/block", Dev: "/dev"}

// ErrNotFound says that nothing present answers the description.
var ErrNotFound = errors.New("no such device")

// BySerial returns the device node of the virtio disk with that serial.
func (f Finder) BySerial(serial string) (string, error) {
	return f.first(func(name string) bool {
		got, err := os.ReadFile(filepath.Join(f.SysBlock, name, "serial"))
		return err == nil && strings.TrimSpace(string(got)) == serial
	}, "serial "+serial)
}

// ByLabel returns the device node of the ISO 9660 or FAT file system with that label, in any case, and its type as
// mount(2) wants it.
func (f Finder) ByLabel(label string) (device, fstype string, err error) {
	device, err = f.first(func(name string) bool {
		disk, err := os.Open(filepath.Join(f.Dev, name))
		if err != nil {
			return false
		}
		defer disk.Close()
		var got string
		got, fstype = Label(disk)
		return strings.EqualFold(got, label)
	}, "label "+label)
	return device, fstype, err
}

func (f Finder) first(match func(name string) bool, what string) (string, error) {
	entries, err := os.ReadDir(f.SysBlock)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if match(e.Name()) {
			return filepath.Join(f.Dev, e.Name()), nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrNotFound, what)
}

// Label reads the label of an ISO 9660 or FAT file system; both results are empty if it is neither.
func Label(disk io.ReaderAt) (label, fstype string) {
	iso := make([]byte, 72) // the primary volume descriptor: type 1, "CD001", at 40 the volume identifier
	if _, err := disk.ReadAt(iso, 16*2048); err == nil && string(iso[:6]) == "\x01CD001" {
		return strings.TrimSpace(string(iso[40:72])), "iso9660"
	}
	boot := make([]byte, 512)
	if _, err := disk.ReadAt(boot, 0); err != nil || boot[510] != 0x55 || boot[511] != 0xaa {
		return "", ""
	}
	for _, fat := range []struct{ label, kind int }{{43, 54}, {71, 82}} { // FAT12 and FAT16; FAT32
		if bytes.HasPrefix(boot[fat.kind:], []byte("FAT")) {
			return strings.TrimSpace(string(boot[fat.label : fat.label+11])), "vfat"
		}
	}
	return "", ""
}

// Content is what a disk holds, as far as it matters to whoever wants to format it.
type Content int

// What a disk may hold.
const (
	Blank       Content = iota // zeros where any file system, partition table or volume header would be
	Ext4                       // ext2, ext3 or ext4; its journal may have to be replayed, which mounting does
	Ext4Damaged                // the same, in which the kernel has found errors
	Foreign                    // something else, which is not ours to overwrite
)

// Inspect reads the beginning of a disk. Every signature that blkid(8) knows lies in its first 68 KiB.
func Inspect(disk io.ReaderAt) (Content, error) {
	head := make([]byte, 68<<10)
	n, err := disk.ReadAt(head, 0)
	if small := errors.Is(err, io.EOF) && n > 2048; err != nil && !small {
		return Foreign, fmt.Errorf("read disk header: %w", err)
	}
	switch {
	case head[0x438] == 0x53 && head[0x439] == 0xef: // magic number; then the state, of which bit 1 says errors
		if head[0x43a]&2 != 0 {
			return Ext4Damaged, nil
		}
		return Ext4, nil
	case len(bytes.TrimLeft(head, "\x00")) == 0:
		return Blank, nil
	}
	return Foreign, nil
}

// Await repeats find whenever the kernel announces a device, until it returns anything but ErrNotFound or ctx ends.
func Await(ctx context.Context, find func() error) error {
	// The socket comes first, so that no announcement is lost between a look and the wait.
	events, err := uevents()
	if err != nil {
		return err
	}
	defer events.Close()
	stop := context.AfterFunc(ctx, func() { events.Close() })
	defer stop()

	buffer := make([]byte, 16<<10)
	for {
		if err := find(); !errors.Is(err, ErrNotFound) {
			return err
		}
		if _, err := events.Read(buffer); err != nil {
			return errors.Join(ctx.Err(), find())
		}
	}
}

func uevents() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}
