package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"

	"slipway.dev/sandbox/layout"
	"slipway.dev/sandbox/netns"
	"slipway.dev/sandbox/wiring"
)

// hub makes a sandbox's namespaces with an echo server on the hub's address.
func hub(t *testing.T) layout.Layout {
	t.Helper()
	p, err := layout.New(fmt.Sprintf("forward-%d", os.Getpid()), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range p.Namespaces() {
		if err := netns.Create(name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := netns.Delete(name); err != nil {
				t.Error(err)
			}
		})
	}
	if err := wiring.Connect(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func echo(t *testing.T, namespace string, address netip.AddrPort) {
	t.Helper()
	var tcp net.Listener
	var udp net.PacketConn
	err := netns.Do(namespace, func() (err error) {
		if tcp, err = net.Listen("tcp4", address.String()); err != nil {
			return err
		}
		udp, err = net.ListenPacket("udp4", address.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tcp.Close()
		_ = udp.Close()
	})
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(buffer[:n], from)
		}
	}()
}

func TestForward(t *testing.T) {
	p := hub(t)
	echo(t, p.HubNamespace(), netip.AddrPortFrom(layout.HubAddress, 7000))
	targets := []Target{{Port: 7000, To: netip.AddrPortFrom(layout.HubAddress, 7000), UDP: true}}
	taken, free := netip.MustParseAddr("127.78.0.1"), netip.MustParseAddr("127.78.0.2")
	foreign, err := net.Listen("tcp4", netip.AddrPortFrom(taken, 7000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	f, err := Listen(p.HubNamespace(), []netip.Addr{taken, free}, targets)
	if err != nil {
		t.Fatal(err)
	}
	if f.Address != free {
		t.Fatalf("listening on %s", f.Address)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		f.Serve(ctx)
		close(ended)
	}()
	for _, network := range []string{"tcp4", "udp4"} {
		conn, err := net.Dial(network, netip.AddrPortFrom(free, 7000).String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 5)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "hello" {
			t.Errorf("%s: %q, %v", network, answer, err)
		}
		_ = conn.Close()
	}
	cancel()
	<-ended
	if _, err := net.Dial("tcp4", netip.AddrPortFrom(free, 7000).String()); err == nil {
		t.Error("still listening after the end")
	}
}
