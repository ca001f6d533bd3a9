package agent

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Parts of the kernel's interface for sockets, which x/sys does not have (sock_diag(7), and
// linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h of the kernel).
const (
	sockDiagByFamily = 20
	tcpListen        = 10
)

// inetDiagSockID is struct inet_diag_sockid. Ports and addresses are in network byte order.
type inetDiagSockID struct {
	SourcePort, DestinationPort [2]byte
	Source, Destination         [16]byte
	Interface                   uint32
	Cookie                      [2]uint32
}

// inetDiagRequest is struct inet_diag_req_v2 after a netlink header.
type inetDiagRequest struct {
	Header                            unix.NlMsghdr
	Family, Protocol, Extensions, Pad uint8
	States                            uint32
	ID                                inetDiagSockID
}

// inetDiagMessage is struct inet_diag_msg. Of a listening socket, WriteQueue is the number of
// connections that it may queue: what the server asked for, or net.core.somaxconn if that is less.
type inetDiagMessage struct {
	Family, State, Timer, Retransmits uint8
	ID                                inetDiagSockID
	Expires, ReadQueue, WriteQueue    uint32
	UID, Inode                        uint32
}

// backlogs returns how many connections each listening TCP socket of the namespace may queue.
func backlogs() (map[netip.AddrPort]int, error) {
	all := make(map[netip.AddrPort]int)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := addBacklogs(all, family); err != nil {
			return nil, fmt.Errorf("asking the kernel for listening sockets: %w", err)
		}
	}
	return all, nil
}

// addBacklogs adds the listening sockets of a family of addresses to all.
func addBacklogs(all map[netip.AddrPort]int, family uint8) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	request := inetDiagRequest{
		Header: unix.NlMsghdr{
			Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP,
			Len: uint32(unsafe.Sizeof(inetDiagRequest{})),
		},
		Family: family, Protocol: unix.IPPROTO_TCP, States: 1 << tcpListen,
	}
	var out [unsafe.Sizeof(request)]byte
	if _, err := binary.Encode(out[:], binary.NativeEndian, request); err != nil {
		return err
	}
	if err := unix.Sendto(socket, out[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 64<<10) // larger than any part of a dump
	for {
		n, _, err := unix.Recvfrom(socket, buffer, 0)
		if err != nil {
			return err
		}
		if done, err := readBacklogs(all, buffer[:n]); done || err != nil {
			return err
		}
	}
}

// readBacklogs adds the sockets of one part of a dump to all. done says that it was the last part.
func readBacklogs(all map[netip.AddrPort]int, part []byte) (done bool, err error) {
	for len(part) >= unix.NLMSG_HDRLEN {
		var header unix.NlMsghdr
		if _, err := binary.Decode(part, binary.NativeEndian, &header); err != nil {
			return false, err
		}
		if int(header.Len) < unix.NLMSG_HDRLEN || int(header.Len) > len(part) {
			return false, fmt.Errorf("a message of %d bytes in %d", header.Len, len(part))
		}
		content := part[unix.NLMSG_HDRLEN:header.Len]
		switch header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return false, unix.Errno(-int32(binary.NativeEndian.Uint32(content)))
		}
		var found inetDiagMessage
		if _, err := binary.Decode(content, binary.NativeEndian, &found); err != nil {
			return false, err
		}
		ip := netip.AddrFrom16(found.ID.Source)
		if found.Family == unix.AF_INET {
			ip, _ = netip.AddrFromSlice(found.ID.Source[:4])
		}
		at := netip.AddrPortFrom(ip, binary.BigEndian.Uint16(found.ID.SourcePort[:]))
		all[at] = max(all[at], int(found.WriteQueue)) // SO_REUSEPORT: several sockets have one address
		part = part[min(len(part), int(header.Len+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return false, nil
}
