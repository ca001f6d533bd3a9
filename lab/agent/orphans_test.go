package agent

import (
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"runtimelab/lab/account"
)

// endedOrphan is a process whose parent has ended, and that has ended itself.
type endedOrphan struct {
	pid  int
	used time.Duration
}

// endingOrphans returns orphans that have ended; the test may add more.
func endingOrphans(all *[]endedOrphan) *orphans {
	return &orphans{
		ended: func() (pid int, found bool) {
			if len(*all) == 0 {
				return 0, false
			}
			return (*all)[0].pid, true
		},
		wait: func(int) (used time.Duration, ok bool) {
			used, *all = (*all)[0].used, (*all)[1:]
			return used, true
		},
	}
}

// The CPU time of processes whose parents have ended is that of their service, and is part of every
// reading.
func TestAReadingHasTheUsageOfOrphans(t *testing.T) {
	root := twoCores()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	root["proc/8/task/8/schedstat"] = file("1500 0 1\n")
	root["proc/8/cgroup"] = file("0::/../5e\n")
	root["proc/20/cgroup"] = file("4:cpu:/\n0::/docker/5e\n")
	root["proc/21/cgroup"] = file("4:cpu:/\n0::/docker/db\n")
	m := machine(root)
	ended := []endedOrphan{{20, 3 * ms}, {21, 40 * ms}, {20, 4 * ms}, {22, 500 * ms}}
	m.orphans, m.services = endingOrphans(&ended), inService("server", "5e", "database", "db")
	orphan := func(used time.Duration) []account.Process {
		return []account.Process{{
			PID:      agentPID,
			Children: used,
		}}
	}
	want := []account.ServiceUsage{
		{
			Name: "server", Threads: []account.Thread{{PID: 8, TID: 8, CPU: 1500}},
			Processes: append([]account.Process{{PID: 8, CPU: 1500}}, orphan(7*ms)...),
		},
		{Name: "database", Processes: orphan(40 * ms)},
		{Name: account.NoService, Processes: orphan(500 * ms)},
	}
	if got, err := m.takeReading(); err != nil || !reflect.DeepEqual(got.Services, want) {
		t.Errorf("%+v, %v; want %+v", got.Services, err, want)
	}
	ended = []endedOrphan{{20, 2 * ms}}
	want[0].Processes[1].Children = 9 * ms
	if got, err := m.takeReading(); err != nil || !reflect.DeepEqual(got.Services, want) {
		t.Errorf("later %+v, %v; want %+v", got.Services, err, want)
	}
}

// In a cell with one service, an orphan is that service's, whatever is known of it.
func TestAnOrphanInACellWithOneServiceIsThatServices(t *testing.T) {
	m := machine(twoCores())
	ended := []endedOrphan{{20, 3 * ms}}
	m.orphans = endingOrphans(&ended)
	want := []account.ServiceUsage{
		{Name: "server", Processes: []account.Process{{PID: agentPID, Children: 3 * ms}}},
	}
	if got, err := m.takeReading(); err != nil || !reflect.DeepEqual(got.Services, want) {
		t.Errorf("%+v, %v; want %+v", got.Services, err, want)
	}
}
