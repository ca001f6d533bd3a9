package agent

import (
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"runtimelab/lab/account"
)

// The CPU time of processes whose parents have ended is the server's, and is part of every reading.
func TestAReadingHasTheUsageOfOrphans(t *testing.T) {
	root := twoCores()
	root["proc/8/task/8/schedstat"] = &fstest.MapFile{Data: []byte("1500 0 1\n")}
	m := machine(root)
	ended := []time.Duration{3 * ms, 4 * ms}
	m.orphans = &orphans{waitForOne: func() (used time.Duration, found bool) {
		if len(ended) == 0 {
			return 0, false
		}
		used, ended = ended[0], ended[1:]
		return used, true
	}}
	want := []account.Process{{PID: 8, CPU: 1500}, {PID: agentPID, Children: 7 * ms}}
	if got, err := m.takeReading(); err != nil || !reflect.DeepEqual(got.Processes, want) {
		t.Errorf("processes %+v, %v; want %+v", got.Processes, err, want)
	}
	ended = []time.Duration{2 * ms}
	want[1].Children = 9 * ms
	if got, err := m.takeReading(); err != nil || !reflect.DeepEqual(got.Processes, want) {
		t.Errorf("later %+v, %v; want %+v", got.Processes, err, want)
	}
}
