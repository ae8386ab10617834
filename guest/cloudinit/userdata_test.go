package cloudinit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUserData(t *testing.T) {
	packed := base64.StdEncoding.EncodeToString(gzipped(t, "hello"))
	tests := map[string]struct {
		data string
		want Config
	}{
		"empty":    {"", Config{}},
		"hostname": {"#cloud-config\nhostname: a-1\n", Config{Hostname: "a-1"}},
		"the first label of fqdn, in want of a hostname": {"#cloud-config\nfqdn: a-1.example.org\n", Config{Hostname: "a-1"}},
		"what we do not know is left alone": {
			"#cloud-config\nhostname: a\nruncmd: [[systemctl, start, kubelet]]\nusers: [default]\n", Config{Hostname: "a"},
		},
		"plain file with defaults": {
			"#cloud-config\nwrite_files:\n- path: /etc/a\n  content: |\n    one\n    two\n",
			Config{Files: []File{{Path: "/etc/a", Mode: 0o644, Content: []byte("one\ntwo\n")}}},
		},
		"permissions as a string": {
			"#cloud-config\nwrite_files: [{path: /a, permissions: '0600'}]\n", Config{Files: []File{{Path: "/a", Mode: 0o600, Content: []byte{}}}},
		},
		"permissions as YAML's octal number": {
			"#cloud-config\nwrite_files: [{path: /a, permissions: 04755}]\n", Config{Files: []File{{Path: "/a", Mode: 0o4755, Content: []byte{}}}},
		},
		"owner and append": {
			"#cloud-config\nwrite_files: [{path: /a/../b, owner: '10:root', append: true, content: x}]\n",
			Config{Files: []File{{Path: "/b", Mode: 0o644, UID: 10, Append: true, Content: []byte("x")}}},
		},
		"base64 in lines": {
			"#cloud-config\nwrite_files:\n- path: /a\n  encoding: b64\n  content: |\n    aGVs\n    bG8=\n",
			Config{Files: []File{{Path: "/a", Mode: 0o644, Content: []byte("hello")}}},
		},
		"gzip in base64, by each of its names": {
			"#cloud-config\nwrite_files:\n" +
				"- {path: /a, encoding: gz+b64, content: '" + packed + "'}\n- {path: /b, encoding: gzip+base64, content: '" + packed + "'}\n",
			Config{Files: []File{{Path: "/a", Mode: 0o644, Content: []byte("hello")}, {Path: "/b", Mode: 0o644, Content: []byte("hello")}}},
		},
		"all of it gzipped": {string(gzipped(t, "#cloud-config\nhostname: z\n")), Config{Hostname: "z"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseUserData([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseUserDataErrors(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"a script":             {"#!/bin/sh\n", ErrNotCloudConfig.Error()},
		"no YAML":              {"#cloud-config\n\t:", "user-data"},
		"a relative path":      {"#cloud-config\nwrite_files: [{path: etc/a}]", "not absolute"},
		"bad base64":           {"#cloud-config\nwrite_files: [{path: /a, encoding: b64, content: '***'}]", "illegal base64"},
		"bad gzip":             {"#cloud-config\nwrite_files: [{path: /a, encoding: gz+b64, content: aGVsbG8=}]", "gzip"},
		"an unknown encoding":  {"#cloud-config\nwrite_files: [{path: /a, encoding: rot13}]", `unknown encoding "rot13"`},
		"permissions in words": {"#cloud-config\nwrite_files: [{path: /a, permissions: rw}]", `"rw"`},
		"an unknown user":      {"#cloud-config\nwrite_files: [{path: /a, owner: 'alice:alice'}]", `"alice"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseUserData([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := ParseUserData([]byte("#!/bin/sh\n")); !errors.Is(err, ErrNotCloudConfig) {
		t.Errorf("error %v, want ErrNotCloudConfig", err)
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzParseUserData: whatever the data, there is a result or an error, and no file escapes being absolute and clean.
func FuzzParseUserData(f *testing.F) {
	f.Add([]byte("#cloud-config\nhostname: a\nwrite_files: [{path: /a, encoding: b64, content: aGVsbG8=, permissions: 0644}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ParseUserData(data)
		if err != nil {
			return
		}
		for _, file := range config.Files {
			if !strings.HasPrefix(file.Path, "/") || strings.Contains(file.Path, "/../") {
				t.Errorf("path %q", file.Path)
			}
		}
	})
}
