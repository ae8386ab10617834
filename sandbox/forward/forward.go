// Package forward makes services inside a sandbox's network namespaces
// reachable on a loopback address of the host. A socket belongs to the
// namespace in which it was made, so the forwarder listens in one and dials in
// the other; no link or route between them is needed.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"slipway.dev/sandbox/netns"
)

// Target maps a port of the loopback address to an address in the sandbox.
type Target struct {
	Port uint16
	To   netip.AddrPort
	// UDP forwards datagrams besides connections.
	UDP bool
}

// Forwarder listens for a set of targets on one address.
type Forwarder struct {
	// Address is the loopback address.
	Address netip.Addr

	dial      func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)
	listeners []listener
}

type listener struct {
	target Target
	tcp    net.Listener
	udp    *net.UDPConn
}

// Listen takes the first of the candidate addresses on which nobody else
// listens at any target's port. Connections go out from the named network
// namespace.
func Listen(namespace string, candidates []netip.Addr, targets []Target) (*Forwarder, error) {
	f := &Forwarder{dial: dialer(namespace)}
	for _, address := range candidates {
		f.Address = address
		err := f.listen(targets)
		if err == nil {
			return f, nil
		}
		f.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, errors.New("every loopback address of a sandbox is in use")
}

func (f *Forwarder) listen(targets []Target) error {
	for _, t := range targets {
		local := netip.AddrPortFrom(f.Address, t.Port)
		tcp, err := net.Listen("tcp4", local.String())
		if err != nil {
			return err
		}
		l := listener{target: t, tcp: tcp}
		f.listeners = append(f.listeners, l)
		if !t.UDP {
			continue
		}
		udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
		if err != nil {
			return err
		}
		f.listeners[len(f.listeners)-1].udp = udp
	}
	return nil
}

// Close stops listening.
func (f *Forwarder) Close() {
	for _, l := range f.listeners {
		_ = l.tcp.Close()
		if l.udp != nil {
			_ = l.udp.Close()
		}
	}
	f.listeners = nil
}

// Serve forwards until ctx ends.
func (f *Forwarder) Serve(ctx context.Context) {
	for _, l := range f.listeners {
		go f.serveTCP(ctx, l)
		if l.udp != nil {
			go f.serveUDP(ctx, l)
		}
	}
	<-ctx.Done()
	f.Close()
}

func (f *Forwarder) serveTCP(ctx context.Context, l listener) {
	for {
		client, err := l.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			slog.WarnContext(ctx, "accepting a connection", "port", l.target.Port, "error", err)
			continue
		}
		go f.connect(ctx, client, l.target.To)
	}
}

func (f *Forwarder) connect(ctx context.Context, client net.Conn, to netip.AddrPort) {
	defer client.Close()
	server, err := f.dial(ctx, "tcp4", to)
	if err != nil {
		// The client sees a reset, as it would from a host without that service.
		_ = client.(*net.TCPConn).SetLinger(0)
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	go pipe(server, client, done)
	go pipe(client, server, done)
	<-done
	<-done
}

// pipe copies one direction and hands on its end.
func pipe(to, from net.Conn, done chan<- struct{}) {
	_, err := io.Copy(to, from)
	if err != nil {
		_ = to.Close() // so that the other direction ends too
	} else {
		_ = to.(*net.TCPConn).CloseWrite()
	}
	done <- struct{}{}
}

// answerTimeout is how long a datagram's sender is remembered: longer than a
// resolver waits.
const answerTimeout = 10 * time.Second

// serveUDP forwards queries, each from a port of its own, and hands back the first answer.
func (f *Forwarder) serveUDP(ctx context.Context, l listener) {
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := l.udp.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an error of an earlier answer, say
		}
		query := append([]byte(nil), buffer[:n]...)
		go f.ask(ctx, l, client, query)
	}
}

func (f *Forwarder) ask(ctx context.Context, l listener, client netip.AddrPort, query []byte) {
	server, err := f.dial(ctx, "udp4", l.target.To)
	if err != nil {
		return
	}
	defer server.Close()
	_ = server.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := server.Write(query); err != nil {
		return
	}
	answer := make([]byte, 64<<10)
	n, err := server.Read(answer)
	if err != nil {
		return
	}
	_, _ = l.udp.WriteToUDPAddrPort(answer[:n], client)
}

func dialer(namespace string) func(context.Context, string, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
		err = netns.Do(namespace, func() error {
			var d net.Dialer
			conn, err = d.DialContext(ctx, network, to.String())
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("dialling %s in %s: %w", to, namespace, err)
		}
		return conn, nil
	}
}

// Dialer dials TCP addresses in the named network namespace, in the form that HTTP transports take.
func Dialer(namespace string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := dialer(namespace)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		// A name would be looked up by another thread, in another namespace.
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, to)
	}
}
