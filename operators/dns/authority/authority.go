// Package authority asks an authoritative DNS server what it serves.
package authority

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"slipway.dev/operators/dns/zone"
)

// questionTimeout is for one exchange; the server is near, and the next
// attempt comes soon.
const questionTimeout = 2 * time.Second

// Server is an authoritative server.
type Server struct {
	// Address is its host:port, for UDP and TCP.
	Address string
}

// Lookup returns what the server has for a name: its alias, or its addresses, IPv4
// and IPv6; nothing when the name does not exist. Where an alias leads is not
// followed: that may be in another's zone. Its errors are the same for the same
// cause, so that they can stand in a status.
func (s Server) Lookup(ctx context.Context, name string) (zone.Target, error) {
	var addresses []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, err := s.ask(ctx, name, kind)
		if err != nil {
			return zone.Target{}, err
		}
		for _, record := range reply.Answer {
			// An answer goes on to what an alias leads to, where the server knows it.
			if dns.CanonicalName(record.Header().Name) != dns.CanonicalName(name) {
				continue
			}
			switch r := record.(type) {
			case *dns.CNAME:
				return zone.Target{Alias: strings.TrimSuffix(dns.CanonicalName(r.Target), ".")}, nil
			case *dns.A:
				addresses = appendIP(addresses, r.A)
			case *dns.AAAA:
				addresses = appendIP(addresses, r.AAAA)
			}
		}
	}
	return zone.NewTarget(addresses...), nil
}

// ask wants no recursion: what a server knows from others says nothing of what
// it serves. A truncated answer is asked for again over TCP.
func (s Server) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), kind)
	question.RecursionDesired = false
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: questionTimeout}
		reply, _, err := client.ExchangeContext(ctx, question, s.Address)
		if err != nil {
			return nil, fmt.Errorf("server %s does not answer: %w", s.Address, stable(err))
		}
		if reply.Truncated && network == "udp" {
			continue
		}
		switch {
		case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
			return nil, fmt.Errorf("server %s answers %s", s.Address, dns.RcodeToString[reply.Rcode])
		case !reply.Authoritative:
			return nil, fmt.Errorf("server %s is not authoritative", s.Address)
		}
		return reply, nil
	}
	return nil, fmt.Errorf("server %s truncates its answer", s.Address)
}

// stable leaves out of a network error what differs from one attempt to the
// next: the port from which was asked.
func stable(err error) error {
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		return operation.Err
	}
	return err
}

func appendIP(addresses []netip.Addr, ip net.IP) []netip.Addr {
	if addr, ok := netip.AddrFromSlice(ip); ok {
		return append(addresses, addr.Unmap())
	}
	return addresses
}
