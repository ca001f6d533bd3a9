package agent

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// listening is the state of a listening socket in /proc/net/tcp (TCP_LISTEN in the kernel's
// tcp_states.h).
const listening = "0A"

// Listeners returns the TCP sockets of the cell that accept connections, sorted by port.
func (m Machine) Listeners() (all []lab.Listener, err error) {
	var backlogs map[netip.AddrPort]int
	if m.backlogs != nil {
		if backlogs, err = m.backlogs(); err != nil {
			backlogs = nil // unknown: a kernel may come without this interface
		}
	}
	for _, table := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		text, err := fs.ReadFile(m.root, table)
		if err != nil && table == "proc/net/tcp" {
			return nil, fmt.Errorf("reading the cell's sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid (proc(5))
			f := strings.Fields(line)
			if len(f) < 8 || f[3] != listening {
				continue
			}
			at, known := parseSocketAddress(f[1])
			uid, err := strconv.Atoi(f[7])
			if !known || err != nil {
				return nil, fmt.Errorf("reading the cell's sockets: %s has the line %q", table, line)
			}
			all = append(all, lab.Listener{
				Address: at.Addr().String(), Port: int(at.Port()), UID: uid, Backlog: backlogs[at],
			})
		}
	}
	slices.SortFunc(all, func(a, b lab.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	return all, nil
}

// parseSocketAddress parses an address as the kernel prints it: words of 32 bits in the order of
// the machine's bytes, which is little-endian on every architecture that the lab runs on, and the
// port as a number. "0100007F:1F90" is 127.0.0.1:8080.
func parseSocketAddress(text string) (at netip.AddrPort, ok bool) {
	address, portText, _ := strings.Cut(text, ":")
	words, err := hex.DecodeString(address)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if err != nil || portErr != nil || len(words)%4 != 0 {
		return at, false
	}
	for i := 0; i < len(words); i += 4 {
		binary.BigEndian.PutUint32(words[i:], binary.LittleEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(ip, uint16(port)), ok
}
