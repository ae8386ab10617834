// Package bindtest runs a real BIND server for tests.
package bindtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Zone is what the server is authoritative for.
const Zone = "example.test"

const configuration = `options {
	directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion no;
	pid-file none;
	session-keyfile none;
};
controls { };
zone %[3]q { type primary; file "zone"; allow-update { 127.0.0.1; }; };
`

const emptyZone = `$TTL 60
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
`

// Server is a BIND server on loopback with a zone that can be updated.
type Server struct {
	// Address is its host:port.
	Address string

	dir     string
	process *exec.Cmd
}

// Start runs named until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Address: freeAddress(t), dir: t.TempDir()}
	var port int
	if _, err := fmt.Sscanf(s.Address, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"named.conf": fmt.Sprintf(configuration, s.dir, port, Zone), "zone": emptyZone} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.Run(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Run starts the server, also after Stop, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	// -n: one thread serves, and a test needs no more memory than that takes.
	s.process = exec.Command("/usr/sbin/named", "-g", "-n", "1", "-c", filepath.Join(s.dir, "named.conf"))
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		t.Fatalf("start BIND (Debian package bind9): %v", err)
	}
	question := new(dns.Msg).SetQuestion(Zone+".", dns.TypeSOA)
	client := dns.Client{Timeout: 100 * time.Millisecond}
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		reply, _, err := client.Exchange(question, s.Address)
		return err == nil && reply.Authoritative, nil
	})
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("BIND does not answer: %v\n%s", err, text)
	}
}

// Stop ends the server.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("end BIND: %v", err)
	}
	_ = s.process.Wait() // it reports the signal as an error
	s.process = nil
}

// Set replaces all records of a name by the given ones, in the text form of
// zone files without owner: "60 IN A 192.0.2.1".
func (s *Server) Set(t testing.TB, name string, records ...string) {
	t.Helper()
	owner := dns.Fqdn(name)
	update := new(dns.Msg).SetUpdate(Zone + ".")
	update.RemoveName([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: owner}}})
	for _, text := range records {
		record, err := dns.NewRR(owner + " " + text)
		if err != nil {
			t.Fatal(err)
		}
		update.Insert([]dns.RR{record})
	}
	reply, _, err := (&dns.Client{Net: "tcp"}).Exchange(update, s.Address)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Rcode != dns.RcodeSuccess {
		t.Fatalf("update of %s: %s", name, dns.RcodeToString[reply.Rcode])
	}
}

// freeAddress finds a port of loopback that is free for UDP and TCP.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := tcp.Addr().String()
		udp, udpErr := net.ListenPacket("udp", address)
		if err := tcp.Close(); err != nil {
			t.Fatal(err)
		}
		if udpErr != nil {
			continue // another has it for UDP
		}
		if err := udp.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
}
