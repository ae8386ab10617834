package blockdev

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

const diskSize = 1 << 20

// disk makes the content of a disk, with what is at some offsets.
func disk(parts map[int]string) []byte {
	content := make([]byte, diskSize)
	for offset, text := range parts {
		copy(content[offset:], text)
	}
	return content
}

var (
	iso    = disk(map[int]string{32768: "\x01CD001\x01\x00", 32768 + 40: "cidata                          "})
	fat16  = disk(map[int]string{43: "CIDATA     ", 54: "FAT16   ", 510: "\x55\xaa"})
	fat32  = disk(map[int]string{71: "CIDATA     ", 82: "FAT32   ", 510: "\x55\xaa"})
	ext4   = disk(map[int]string{0x438: "\x53\xef"})
	broken = disk(map[int]string{0x438: "\x53\xef\x02"})
	erofs  = disk(map[int]string{1024: "\xe2\xe1\xf5\xe0"})
	gpt    = disk(map[int]string{510: "\x55\xaa", 512: "EFI PART"})
	blank  = disk(nil)
	btrfs  = disk(map[int]string{65536 + 64: "_BHRfS_M"})
	labels = map[string]struct {
		content       []byte
		label, fstype string
	}{
		"ISO 9660":        {iso, "cidata", "iso9660"},
		"FAT16":           {fat16, "CIDATA", "vfat"},
		"FAT32":           {fat32, "CIDATA", "vfat"},
		"ext4":            {ext4, "", ""},
		"partition table": {gpt, "", ""},
		"blank":           {blank, "", ""},
		"tiny":            {nil, "", ""},
	}
)

func TestLabel(t *testing.T) {
	for name, test := range labels {
		t.Run(name, func(t *testing.T) {
			label, fstype := Label(bytes.NewReader(test.content))
			if label != test.label || fstype != test.fstype {
				t.Errorf("got %q, %q, want %q, %q", label, fstype, test.label, test.fstype)
			}
		})
	}
}

// Only zeros may be formatted; a mistake here destroys data.
func TestInspect(t *testing.T) {
	tests := map[string]struct {
		content []byte
		want    Content
	}{
		"zeros": {blank, Blank}, "ext4": {ext4, Ext4}, "ext4 with errors": {broken, Ext4Damaged}, "EROFS": {erofs, Foreign}, "GPT": {gpt, Foreign},
		"FAT": {fat32, Foreign}, "Btrfs, whose magic is far inside": {btrfs, Foreign}, "ISO 9660": {iso, Foreign},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Inspect(bytes.NewReader(test.content))
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if content, err := Inspect(bytes.NewReader(nil)); err == nil || content == Blank {
		t.Errorf("an unreadable disk gives %v, %v; want an error, and never Blank", content, err)
	}
}

func TestFinder(t *testing.T) {
	f := Finder{SysBlock: t.TempDir(), Dev: t.TempDir()}
	for name, d := range map[string]struct {
		serial  string
		content []byte
	}{"vda": {"root", erofs}, "vdb": {"state\n", blank}, "vdc": {"", iso}} {
		if err := os.MkdirAll(filepath.Join(f.SysBlock, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.SysBlock, name, "serial"), []byte(d.serial), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.Dev, name), d.content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.BySerial("state"); err != nil || got != filepath.Join(f.Dev, "vdb") {
		t.Errorf("serial state: %q, %v", got, err)
	}
	if got, fstype, err := f.ByLabel("CIDATA"); err != nil || got != filepath.Join(f.Dev, "vdc") || fstype != "iso9660" {
		t.Errorf("label CIDATA: %q, %q, %v", got, fstype, err)
	}
	if _, err := f.BySerial("other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("serial other: %v, want ErrNotFound", err)
	}
}
