package agent

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"testing/fstest"

	"runtimelab/lab"
)

const (
	tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 65532        0 2 1 0 20 4 30 10 -1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 3 1 0 100 0 0 10 0
`
	tcp6Table = `  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000001000000:2328 00000000000000000000000000000000:0000 0A 0:0 00:0 0 65532 0 4
`
)

func TestListenersAreThoseOfTheCell(t *testing.T) {
	m := machine(fstest.MapFS{
		"proc/net/tcp":  &fstest.MapFile{Data: []byte(tcpTable)},
		"proc/net/tcp6": &fstest.MapFile{Data: []byte(tcp6Table)},
	})
	want := []lab.Listener{
		{Address: "0.0.0.0", Port: 80, UID: 101},
		{Address: "127.0.0.1", Port: 8080, UID: 65532},
		{Address: "::1", Port: 9000, UID: 65532},
	}
	m.backlogs = func() (map[netip.AddrPort]int, error) { return nil, errors.New("no such interface") }
	if got, err := m.Listeners(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("without backlogs %+v, %v; want %+v", got, err, want)
	}
	m.backlogs = func() (map[netip.AddrPort]int, error) {
		return map[netip.AddrPort]int{
			netip.MustParseAddrPort("0.0.0.0:80"): 511, netip.MustParseAddrPort("[::1]:9000"): 128,
		}, nil
	}
	want[0].Backlog, want[2].Backlog = 511, 128
	if got, err := m.Listeners(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	m.root = fstest.MapFS{}
	if got, err := m.Listeners(); err == nil {
		t.Errorf("%+v without /proc/net/tcp", got)
	}
}
