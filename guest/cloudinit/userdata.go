// Package cloudinit reads the parts of cloud-init data that the guest honours: the host name and files of a
// #cloud-config, the NoCloud meta-data, and network configuration version 2. It does no I/O.
// Formats: https://docs.cloud-init.io/en/latest/reference/
package cloudinit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Config is what the guest takes from user-data. All else in there is for stock images and left alone.
type Config struct {
	Hostname string
	Files    []File
}

// File is one entry of write_files, decoded.
type File struct {
	Path    string
	Mode    uint32 // Unix permission bits
	UID     int
	GID     int
	Append  bool
	Content []byte
}

// ErrNotCloudConfig says that the user-data is of another kind, a script for instance.
var ErrNotCloudConfig = errors.New("user-data does not begin with #cloud-config")

const defaultMode = 0o644

// ParseUserData reads a #cloud-config, gzipped or not. A write_files entry that cannot be decoded fails the whole, as a
// node with half of its files would fail later and less clearly.
func ParseUserData(data []byte) (Config, error) {
	data, err := gunzipIfNeeded(data)
	if err != nil {
		return Config{}, fmt.Errorf("user-data: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Config{}, nil
	}
	if first, _, _ := bytes.Cut(data, []byte("\n")); string(bytes.TrimSpace(first)) != "#cloud-config" {
		return Config{}, ErrNotCloudConfig
	}
	var raw struct {
		Hostname   string      `json:"hostname"`
		FQDN       string      `json:"fqdn"`
		WriteFiles []writeFile `json:"write_files"`
	}
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return Config{}, fmt.Errorf("user-data: %w", err)
	}
	config := Config{Hostname: raw.Hostname}
	if config.Hostname == "" {
		config.Hostname, _, _ = strings.Cut(raw.FQDN, ".")
	}
	for i, w := range raw.WriteFiles {
		file, err := w.decode()
		if err != nil {
			return Config{}, fmt.Errorf("user-data: write_files[%d] %s: %w", i, w.Path, err)
		}
		config.Files = append(config.Files, file)
	}
	return config, nil
}

// ParseMetaData returns local-hostname, which is empty if the meta-data has none.
func ParseMetaData(data []byte) (hostname string, err error) {
	var raw struct {
		LocalHostname string `json:"local-hostname"`
	}
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return "", fmt.Errorf("meta-data: %w", err)
	}
	return raw.LocalHostname, nil
}

type writeFile struct {
	Path        string `json:"path"`
	Content     string `json:"content"`
	Encoding    string `json:"encoding"`
	Permissions any    `json:"permissions"` // '0644', or the number which YAML made of an unquoted 0644
	Owner       string `json:"owner"`
	Append      bool   `json:"append"`
}

func (w writeFile) decode() (File, error) {
	if !path.IsAbs(w.Path) {
		return File{}, errors.New("path is not absolute")
	}
	file := File{Path: path.Clean(w.Path), Append: w.Append}
	var err error
	if file.Mode, err = parseMode(w.Permissions); err != nil {
		return File{}, err
	}
	if file.UID, file.GID, err = parseOwner(w.Owner); err != nil {
		return File{}, err
	}
	file.Content, err = decodeContent(w.Content, w.Encoding)
	return file, err
}

func parseMode(permissions any) (uint32, error) {
	var octal string
	switch p := permissions.(type) {
	case nil:
		return defaultMode, nil
	case string:
		octal = strings.TrimPrefix(p, "0o")
	case float64: // YAML 1.1 has read the octal number already
		return uint32(p), nil
	default:
		return 0, fmt.Errorf("permissions %v are no octal number", permissions)
	}
	mode, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("permissions %q are no octal number", octal)
	}
	return uint32(mode), nil
}

// parseOwner takes root and numbers, because the guest has no other users.
func parseOwner(owner string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(owner, ":")
	if uid, err = parseID(user); err != nil {
		return 0, 0, err
	}
	gid, err = parseID(group)
	return uid, gid, err
}

func parseID(name string) (int, error) {
	if name == "" || name == "root" {
		return 0, nil
	}
	id, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("owner %q: only root and numbers are known", name)
	}
	return int(id), nil
}

func decodeContent(content, encoding string) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "", "text/plain":
		return []byte(content), nil
	case "b64", "base64":
		return unbase64(content)
	case "gz", "gzip":
		return gunzip([]byte(content))
	case "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		packed, err := unbase64(content)
		if err != nil {
			return nil, err
		}
		return gunzip(packed)
	}
	return nil, fmt.Errorf("unknown encoding %q", encoding)
}

func unbase64(content string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), ""))
}

func gunzipIfNeeded(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return gunzip(data)
	}
	return data, nil
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return plain, nil
}
