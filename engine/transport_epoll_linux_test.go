package engine

import (
	"net"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"unsafe"
)

// An epollTransport has no room for a netip.AddrPort, and what it says of its
// peer is the same.
func TestAddressOfPeerIsKept(t *testing.T) {
	ipv6 := netip.MustParseAddr("2001:db8::1").As16()
	mapped := netip.MustParseAddr("::ffff:192.0.2.1").As16()
	linkLocal := netip.MustParseAddr("fe80::1").As16()
	tcp := func(ip, zone string) netip.AddrPort {
		return (&net.TCPAddr{IP: net.ParseIP(ip), Port: 1883, Zone: zone}).AddrPort()
	}
	loopback := "1"
	if ifi, err := net.InterfaceByIndex(1); err == nil {
		loopback = ifi.Name
	}
	v4 := func(sa syscall.RawSockaddrInet4) netip.AddrPort {
		sa.Family = syscall.AF_INET
		var general syscall.RawSockaddrAny
		*(*syscall.RawSockaddrInet4)(unsafe.Pointer(&general)) = sa
		return addrPort(&general)
	}
	v6 := func(sa syscall.RawSockaddrInet6) netip.AddrPort {
		sa.Family = syscall.AF_INET6
		var general syscall.RawSockaddrAny
		*(*syscall.RawSockaddrInet6)(unsafe.Pointer(&general)) = sa
		return addrPort(&general)
	}
	port := networkOrder(1883)
	for _, c := range []struct {
		name string
		peer netip.AddrPort
		want string
	}{
		{"IPv4", v4(syscall.RawSockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 65535}), "192.0.2.1:65535"},
		{"no IPv4", v4(syscall.RawSockaddrInet4{}), "0.0.0.0:0"},
		{"IPv4 on a socket of both", v6(syscall.RawSockaddrInet6{Addr: mapped, Port: port}), "192.0.2.1:1883"},
		{"IPv6", v6(syscall.RawSockaddrInet6{Addr: ipv6, Port: port}), "[2001:db8::1]:1883"},
		{"no IPv6", v6(syscall.RawSockaddrInet6{}), "[::]:0"},
		{"IPv6 with a zone", v6(syscall.RawSockaddrInet6{Addr: linkLocal, Port: port, Scope_id: 1}), "[fe80::1%" + loopback + "]:1883"},
		{"IPv6 with a zone that has gone", v6(syscall.RawSockaddrInet6{Addr: linkLocal, Port: port, Scope_id: 1 << 30}), "[fe80::1]:1883"},
		{"IPv4 of Go's", tcp("192.0.2.1", ""), "192.0.2.1:1883"},
		{"IPv6 of Go's", tcp("2001:db8::1", ""), "[2001:db8::1]:1883"},
		{"IPv6 of Go's with a zone", tcp("fe80::1", "eth7"), "[fe80::1%eth7]:1883"},
		{"another family", addrPort(&syscall.RawSockaddrAny{Addr: syscall.RawSockaddr{Family: syscall.AF_UNIX}}), ":0"},
	} {
		var tr epollTransport
		tr.setPeer(c.peer)
		got := tr.remoteAddr()
		if want := net.TCPAddrFromAddrPort(c.peer); !reflect.DeepEqual(got, want) || got.String() != c.want {
			t.Errorf("%s: %#v, want %#v; it reads %q, want %q", c.name, got, want, got, c.want)
		}
	}
}
