package netnstest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
)

// SendSYNACK sends the second packet of a TCP connection that nobody has begun.
func SendSYNACK(t testing.TB, path, source, destination string) {
	t.Helper()
	from, to := netip.MustParseAddr(source), netip.MustParseAddr(destination)
	segment := make([]byte, 20)
	binary.BigEndian.PutUint16(segment[0:], 4242)
	binary.BigEndian.PutUint16(segment[2:], 7007)
	segment[12], segment[13] = 5<<4, 0x12 // five words; SYN and ACK
	binary.BigEndian.PutUint16(segment[14:], 1024)
	binary.BigEndian.PutUint16(segment[16:], tcpChecksum(from, to, segment))
	must(t, Do(path, func() error {
		conn, err := net.DialIP("ip4:tcp", &net.IPAddr{IP: from.AsSlice()}, &net.IPAddr{IP: to.AsSlice()})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(segment)
		return err
	}))
}

// tcpChecksum is that of RFC 9293, over a pseudo header and the segment.
func tcpChecksum(from, to netip.Addr, segment []byte) uint16 {
	header := append(from.AsSlice(), to.AsSlice()...)
	header = binary.BigEndian.AppendUint16(header, 6)
	header = binary.BigEndian.AppendUint16(header, uint16(len(segment)))
	var sum uint32
	for _, part := range [][]byte{header, segment} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
