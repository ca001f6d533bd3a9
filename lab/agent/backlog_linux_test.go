package agent

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheKernelTellsTheBacklogOfASocket(t *testing.T) {
	const backlog = 7
	for _, local := range []unix.Sockaddr{
		&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Addr: [16]byte{15: 1}},
	} {
		family, ip := unix.AF_INET, netip.MustParseAddr("127.0.0.1")
		if _, is6 := local.(*unix.SockaddrInet6); is6 {
			family, ip = unix.AF_INET6, netip.IPv6Loopback()
		}
		socket, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(socket) })
		if err := unix.Bind(socket, local); err == unix.EADDRNOTAVAIL {
			continue // this machine has no IPv6
		} else if err != nil {
			t.Fatal(err)
		}
		if err := unix.Listen(socket, backlog); err != nil {
			t.Fatal(err)
		}
		bound, err := unix.Getsockname(socket)
		if err != nil {
			t.Fatal(err)
		}
		port := 0
		switch bound := bound.(type) {
		case *unix.SockaddrInet4:
			port = bound.Port
		case *unix.SockaddrInet6:
			port = bound.Port
		}
		all, err := backlogs()
		if err != nil {
			t.Fatal(err)
		}
		at := netip.AddrPortFrom(ip, uint16(port))
		if all[at] != backlog {
			t.Errorf("%s has a backlog of %d, want %d", at, all[at], backlog)
		}
		listeners, err := ThisMachine().Listeners()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, l := range listeners {
			found = found || l.Port == port && l.Address == ip.String() && l.Backlog == backlog
		}
		if !found {
			t.Errorf("%s is not among %+v", at, listeners)
		}
	}
}
