package tenantetcd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway.dev/kit/testenv"
)

// quota in bytes of the etcd under test.
const (
	quota = 32 << 20
	// size of a value, small enough for pages to be filled.
	size = 128 << 10
)

// store is a real etcd of one member, and its PKI.
type store struct {
	*testing.T
	folder        string
	client, peer  string
	command       *exec.Cmd
	authority     *x509.Certificate
	authorityKey  *ecdsa.PrivateKey
	identityFiles map[string][]byte
}

// newStore issues certificates for host alone, and for no address.
func newStore(t *testing.T, host string) *store {
	t.Helper()
	s := &store{T: t, folder: t.TempDir(), client: freeAddress(t), peer: freeAddress(t)}
	s.authority = &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd-ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	s.issue("ca", s.authority)
	s.issue("server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd-server"}, DNSNames: []string{host},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	s.identityFiles = s.issue("client", &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver-etcd-client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	t.Cleanup(s.stop)
	s.start()
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// issue writes a key pair, and returns it as a Secret has it.
func (s *store) issue(name string, template *x509.Certificate) map[string][]byte {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	if template.IsCA {
		s.authorityKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.authority, &key.PublicKey, s.authorityKey)
	if err != nil {
		s.Fatal(err)
	}
	if template.IsCA {
		if s.authority, err = x509.ParseCertificate(der); err != nil {
			s.Fatal(err)
		}
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		s.Fatal(err)
	}
	files := map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		"ca.crt":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.authority.Raw}),
	}
	for file, content := range files {
		if err := os.WriteFile(s.file(name, file), content, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	return files
}

func (s *store) file(name, file string) string { return filepath.Join(s.folder, name+"-"+file) }

func (s *store) start() {
	s.Helper()
	peer := "http://" + s.peer
	s.command = exec.Command(testenv.Binary(s, "etcd"), "--name=etcd-0", "--data-dir="+filepath.Join(s.folder, "data"),
		"--listen-client-urls=https://"+s.client, "--advertise-client-urls=https://"+s.client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=etcd-0="+peer,
		"--cert-file="+s.file("server", "tls.crt"), "--key-file="+s.file("server", "tls.key"),
		"--trusted-ca-file="+s.file("server", "ca.crt"), "--client-cert-auth=true",
		fmt.Sprintf("--quota-backend-bytes=%d", quota), "--log-level=error")
	s.command.Stderr = os.Stderr
	// Whatever happens to the test, its processes do not outlive it.
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		s.Fatal(err)
	}
	s.must(nil, "get", "ready")
}

func (s *store) stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = s.command.Wait() // it was killed
	s.command = nil
}

// control runs etcdctl, and returns what it says when it fails.
func (s *store) control(input []byte, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, testenv.Binary(s, "etcdctl"), append([]string{
		"--endpoints=https://" + s.client, "--cert=" + s.file("client", "tls.crt"), "--key=" + s.file("client", "tls.key"),
		"--cacert=" + s.file("client", "ca.crt"), "--insecure-skip-tls-verify", "--command-timeout=20s", "--dial-timeout=20s",
	}, arguments...)...)
	command.Stdin = bytes.NewReader(input)
	output, err := command.CombinedOutput()
	return string(output), err
}

func (s *store) must(input []byte, arguments ...string) {
	s.Helper()
	if output, err := s.control(input, arguments...); err != nil {
		s.Fatalf("etcdctl %v: %v: %s", arguments, err, output)
	}
}

// put writes an object, and reports whether there was room.
func (s *store) put(key string) bool {
	s.Helper()
	output, err := s.control(bytes.Repeat([]byte("x"), size), "put", key)
	if err != nil && !strings.Contains(output, "database space exceeded") {
		s.Fatalf("put %s: %v: %s", key, err, output)
	}
	return err == nil
}

// revision of the last write.
func (s *store) revision() string {
	s.Helper()
	output, err := s.control(nil, "get", "revision", "--write-out=json")
	var answer struct {
		Header struct {
			Revision int64 `json:"revision"`
		} `json:"header"`
	}
	if err = errors.Join(err, json.Unmarshal([]byte(output), &answer)); err != nil {
		s.Fatalf("revision: %v: %s", err, output)
	}
	return strconv.FormatInt(answer.Header.Revision, 10)
}
