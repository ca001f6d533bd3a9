package agent

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"runtimelab/lab/account"
)

func TestAReadingHasTheUsageOfEachService(t *testing.T) {
	root := twoCores()
	for path, text := range map[string]string{
		"proc/1/task/1/schedstat":   "99 0 1\n", // the agent
		"proc/8/task/8/schedstat":   "1500000000 7 12\n",
		"proc/8/task/8/status":      "Name:\tnode\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7\n",
		"proc/8/task/9/schedstat":   "20 0 1\n",
		"proc/8/stat":               stat(0, 0), // in ticks; its threads are more exact
		"proc/10/task/10/stat":      stat(300, 0),
		"proc/10/stat":              stat(400, 70), // includes threads that have ended; children have ended too
		"proc/11/task/11/schedstat": "gone\n",
		"proc/12/task/12/schedstat": "70 0 1\n",
		"proc/12/task/12/status":    "voluntary_ctxt_switches:\t9\n",
		"proc/12/cgroup":            "0::/../docker-00ff.scope\n",
		"proc/8/cgroup":             "0::/../docker-5e.scope\n",
		"proc/10/cgroup":            "0::/../docker-5e.scope\n",
		"proc/11/cgroup":            "0::/../docker-5e.scope\n",
	} {
		root[path] = &fstest.MapFile{Data: []byte(text)}
	}
	m := machine(root)
	m.services = inService("upstream", "00ff", "server", "5e")
	got, err := m.takeReading()
	if err != nil || len(got.Services) != 2 {
		t.Fatalf("%+v, %v; want two services", got.Services, err)
	}
	threads := []account.Thread{
		{PID: 10, TID: 10, CPU: 3 * time.Second},
		{PID: 8, TID: 8, CPU: 1500 * ms, Sleeps: 42},
		{PID: 8, TID: 9, CPU: 20},
	}
	if !slices.Equal(got.Services[1].Threads, threads) {
		t.Errorf("threads %+v, want %+v", got.Services[1].Threads, threads)
	}
	processes := []account.Process{
		{PID: 10, CPU: 4 * time.Second, Children: 700 * ms}, {PID: 8, CPU: 1500*ms + 20},
	}
	if !slices.Equal(got.Services[1].Processes, processes) {
		t.Errorf("processes %+v, want %+v", got.Services[1].Processes, processes)
	}
	upstream := account.ServiceUsage{
		Name: "upstream", Threads: []account.Thread{{PID: 12, TID: 12, CPU: 70, Sleeps: 9}},
		Processes: []account.Process{{PID: 12, CPU: 70}},
	}
	if !reflect.DeepEqual(got.Services[0], upstream) || got.Sleeps != 3 {
		t.Errorf("upstream %+v, want %+v; sleeps of the generator %d", got.Services[0], upstream, got.Sleeps)
	}
	if !got.At.Equal(time.Unix(1, 0)) || got.ClockStep != 3*time.Second {
		t.Errorf("taken at %v, clock set by %v; want 1 s after the start, and 3 s", got.At, got.ClockStep)
	}
	m.processTime = func(pid int) (time.Duration, error) {
		if pid == 8 {
			return 0, errors.New("it has no clock")
		}
		return time.Duration(pid) * time.Minute, nil
	}
	if got, err = m.takeReading(); err != nil || got.Services[0].Processes[0].CPU != 12*time.Minute {
		t.Errorf("upstream %+v by its clock, %v", got.Services, err)
	}
	processes = []account.Process{
		{PID: 10, CPU: 10 * time.Minute, Children: 700 * ms}, {PID: 11, CPU: 11 * time.Minute}, processes[1],
	}
	if !slices.Equal(got.Services[1].Processes, processes) {
		t.Errorf("processes by their clocks %+v, want %+v", got.Services[1].Processes, processes)
	}
}

const ms = time.Millisecond

// stat returns the stat file of a process with these ticks for itself and for its children that
// have ended. A server may choose such a name.
func stat(own, children int) string {
	return fmt.Sprintf("10 (a) b) c) S 1 10 10 0 -1 4194560 1 2 3 4 %d %d %d %d 20 0 11 0 5\n",
		own-own/4, own/4, children-children/3, children/3)
}

// A worker that ends during the reading must count, either in its parent's usage or in its own.
func TestAProcessThatEndsDuringTheReadingIsCounted(t *testing.T) {
	root := twoCores()
	root["proc/7/stat"] = &fstest.MapFile{Data: []byte(stat(100, 0))}
	root["proc/8/stat"] = &fstest.MapFile{Data: []byte(stat(900, 0))}
	m := machine(root)
	m.processTime = func(pid int) (time.Duration, error) {
		if pid == 7 && root["proc/8/stat"] != nil { // its parent has just been read
			delete(root, "proc/8/stat")
			root["proc/7/stat"] = &fstest.MapFile{Data: []byte(stat(100, 900))}
		}
		return 0, errors.New("no clock")
	}
	got, err := m.readUsage()
	want := []account.Process{{PID: 7, CPU: time.Second, Children: 9 * time.Second}}
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Processes, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestACanaryReportsHowLongItsCPUWasIdle(t *testing.T) {
	root := twoCores()
	m := machine(root)
	m.threadTime = func() (time.Duration, error) { // read after the first reading of idle time
		later := "cpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 10 20 30 46 51 60 70 80 5 5\n"
		root["proc/stat"] = &fstest.MapFile{Data: []byte(later)}
		return time.Second, nil
	}
	got, err := m.runCanary(1)
	if err != nil || got.Idle != 7*clockTick {
		t.Errorf("%+v, %v, want 7 more ticks of idle and iowait", got, err)
	}
	if _, err := m.runCanary(2); err == nil {
		t.Error("a canary ran on a CPU that does not exist")
	}
}
