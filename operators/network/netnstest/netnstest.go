// Package netnstest gives tests machines that are network namespaces, and says
// who reaches whom.
package netnstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const port = "7007"

// Directory is where a test names its namespaces. They are removed with it.
func Directory(t testing.TB) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces and links can only be made by root")
	}
	directory := t.TempDir()
	t.Cleanup(func() {
		entries, err := os.ReadDir(directory)
		must(t, err)
		for _, e := range entries {
			Remove(t, filepath.Join(directory, e.Name()))
		}
	})
	return directory
}

// New makes a namespace and returns its path.
func New(t testing.TB, directory, name string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	must(t, os.WriteFile(path, nil, 0o444))
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	}()
	must(t, <-result)
	Run(t, path, "ip link set lo up")
	return path
}

// Remove removes a namespace, with all that is in it.
func Remove(t testing.TB, path string) {
	t.Helper()
	if err := unix.Unmount(path, unix.MNT_DETACH); !errors.Is(err, unix.EINVAL) {
		must(t, err)
	}
	must(t, os.Remove(path))
}

// Do runs f on a thread in a namespace.
func Do(path string, f func() error) error {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

// Run runs a command in a namespace and returns its output.
func Run(t testing.TB, path, command string) string {
	t.Helper()
	var output []byte
	err := Do(path, func() (err error) {
		words := strings.Fields(command)
		output, err = exec.Command(words[0], words[1:]...).CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	return string(output)
}

// Connect makes a veth pair from one namespace to an addressed end in another.
func Connect(t testing.TB, from, link, to, peer string, address netip.Prefix) {
	t.Helper()
	ns, err := netns.GetFromPath(to)
	must(t, err)
	defer ns.Close()
	must(t, Do(from, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: link, MTU: 1500}, PeerName: peer, PeerNamespace: netlink.NsFd(ns),
		})
	}))
	Run(t, from, "ip link set "+link+" up")
	if address.IsValid() {
		Run(t, to, "ip address add "+address.String()+" dev "+peer)
	}
	Run(t, to, "ip link set "+peer+" up")
}

// Serve answers every TCP connection to an address in a namespace with a name,
// and the address that the connection comes from.
func Serve(t testing.TB, path, address, name string) {
	t.Helper()
	var listener net.Listener
	must(t, Do(path, func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(address, port))
		return err
	}))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "%s heard %s", name, conn.RemoteAddr().(*net.TCPAddr).IP)
			_ = conn.Close()
		}
	}()
}

func ask(path, address string) (string, error) {
	var answer []byte
	err := Do(path, func() error {
		dialer := net.Dialer{Timeout: 700 * time.Millisecond}
		conn, err := dialer.Dial("tcp4", net.JoinHostPort(address, port))
		if err != nil {
			return err
		}
		defer conn.Close()
		answer, err = io.ReadAll(conn)
		return err
	})
	return string(answer), err
}

// Reaches checks the answer that a namespace gets. It asks again for some
// seconds: the kernel takes a moment until a new link carries.
func Reaches(t testing.TB, path, address, want string) {
	t.Helper()
	var answer string
	var err error
	for range 8 {
		if answer, err = ask(path, address); err == nil {
			break
		}
	}
	if err != nil || answer != want {
		t.Errorf("%s to %s: %q, %v; want %q", filepath.Base(path), address, answer, err, want)
	}
}

// Blocked checks that a namespace gets no answer.
func Blocked(t testing.TB, path, address string) {
	t.Helper()
	if answer, err := ask(path, address); err == nil {
		t.Errorf("%s reaches %s: %q", filepath.Base(path), address, answer)
	}
}

// Snapshot is all of a namespace's links, addresses, routes, entries and
// rules, without the numbers that the kernel gives out.
func Snapshot(t testing.TB, path string) []string {
	t.Helper()
	var all []string
	for _, command := range []string{
		"ip -br link", "ip -br address", "ip route show table all", "ip neighbour show nud permanent", "nft list ruleset",
	} {
		var lines []string
		for line := range strings.Lines(Run(t, path, command)) {
			if strings.Contains(line, "fe80::") || strings.Contains(line, "ff00::") || strings.HasPrefix(line, "local ") {
				continue
			}
			name, rest, _ := strings.Cut(line, "@if")
			_, rest, _ = strings.Cut(rest, " ")
			lines = append(lines, strings.TrimSpace(name+" "+rest))
		}
		slices.Sort(lines) // what is made anew comes last
		all = append(all, lines...)
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
